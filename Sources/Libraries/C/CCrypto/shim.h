// The plain SHA-256 calls are marked deprecated since OpenSSL 3.0 in favour of EVP, whose contexts cost an allocation and a
// provider look-up each: too much for a tap. They remain supported for as long as libcrypto.so.3 lives.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
