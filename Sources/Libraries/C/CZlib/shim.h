#include <zlib.h>

// deflateInit2 and inflateInit2 are macros, which Swift cannot call. 15 bits of window; negative: without framing, as a part of
// a gzip member is; + 16: in gzip's framing.
static inline int shim_deflate_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}
static inline int shim_gunzip_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
