#include <nfc/nfc.h>
#include <string.h>

// nfc_target is a packed union of packed structs, whose members Swift would have to read unaligned. poll_target is not
// used: libnfc waits in it for the reader's acknowledgement without a time limit, and cannot be aborted there.
struct shim_target {
    size_t uid_length;
    unsigned char uid[10];
    unsigned char sak;
};

// Selects a tag, ISO/IEC 14443 type A, 106 kbit/s. Returns 1 if found, 0 without a tag, or libnfc's negative error code.
static inline int shim_select(nfc_device *device, struct shim_target *found) {
    const nfc_modulation modulation = {.nmt = NMT_ISO14443A, .nbr = NBR_106};
    nfc_target target;
    memset(&target, 0, sizeof target);
    int result = nfc_initiator_select_passive_target(device, modulation, NULL, 0, &target);
    if (result <= 0) return result;
    found->uid_length = target.nti.nai.szUidLen;
    if (found->uid_length > sizeof found->uid) return NFC_ECHIP;
    memcpy(found->uid, target.nti.nai.abtUid, found->uid_length);
    found->sak = target.nti.nai.btSak;
    return 1;
}

// nfc_connstring is an array type, which Swift imports as a tuple.
static inline size_t shim_list(nfc_context *context, char *texts, size_t limit) {
    return nfc_list_devices(context, (nfc_connstring *)texts, limit);
}
