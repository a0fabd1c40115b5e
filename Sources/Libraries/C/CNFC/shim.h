#include <nfc/nfc.h>
#include <string.h>

// nfc_target is a packed union of packed structs, whose members Swift would have to read unaligned; and poll_target is not
// used, because libnfc waits in it without any limit for the reader's acknowledgement, where no abort reaches it.
struct shim_target {
    size_t uid_length;
    unsigned char uid[10];
    unsigned char sak;
};

// ISO/IEC 14443 type A, 106 kbit/s. 1: found, 0: none, below: error of libnfc.
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

// An array of arrays, which Swift sees as a tuple of tuples.
static inline size_t shim_list(nfc_context *context, char *texts, size_t limit) {
    return nfc_list_devices(context, (nfc_connstring *)texts, limit);
}
