#include <zlib.h>

// deflateInit2 and inflateInit2 are macros, which Swift cannot call. 15 bits of window; + 16 means gzip, not zlib, framing.
static inline int shim_gzip_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
// Without framing: a part of a member.
static inline int shim_deflate_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}
static inline int shim_gunzip_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
