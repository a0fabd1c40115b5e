// OpenSSL 3.0 deprecates the plain SHA-256 calls in favour of EVP, whose contexts cost an allocation and a provider look-up
// each: too much per tap. The calls remain part of libcrypto.so.3.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
