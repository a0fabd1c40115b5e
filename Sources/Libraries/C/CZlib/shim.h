#include <zlib.h>

// deflateInit2 and inflateInit2 are macros, which Swift cannot call. The window has 15 bits. A negative value means raw deflate
// data, as in a part of a gzip member; adding 16 means gzip framing.
static inline int shim_deflate_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}
static inline int shim_gunzip_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
