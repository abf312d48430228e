// The protocol of raspbootin and its heirs.
#include "loader/raspbootin.h"

#define SIZE_BYTES 4

void raspbootin_take(struct raspbootin *raspbootin, uint8_t byte)
{
    if (!raspbootin->receiving) {
        raspbootin->n_before++;
        raspbootin->last4 = raspbootin->last4 >> 8 | (uint32_t)byte << 24;
    } else if (raspbootin->received < raspbootin->size) {
        raspbootin->memory[raspbootin->received++] = byte;
    }
}

enum raspbootin_said raspbootin_pause(struct raspbootin *raspbootin)
{
    if (raspbootin->receiving) {
        return RASPBOOTIN_NOTHING;
    }
    const bool is_size = raspbootin->n_before == SIZE_BYTES;
    raspbootin->n_before = 0;
    if (!is_size) {
        return RASPBOOTIN_NOTHING;
    }
    if (raspbootin->last4 == 0 || raspbootin->last4 > raspbootin->room) {
        return RASPBOOTIN_WRONG_SIZE;
    }
    raspbootin->receiving = true;
    raspbootin->size = raspbootin->last4;
    raspbootin->received = 0;
    return RASPBOOTIN_SIZE;
}

bool raspbootin_complete(const struct raspbootin *raspbootin)
{
    return raspbootin->receiving && raspbootin->received == raspbootin->size;
}

void raspbootin_reset(struct raspbootin *raspbootin)
{
    raspbootin->receiving = false;
    raspbootin->n_before = 0;
}
