// Memory plan: regions and buffers. Generated; do not edit.
#pragma once

#include "lib/types.h"

#define LAYOUT_IMAGE_SIZE 0x101000ull // bytes from the image's start to the end of the last region

#define BLOB_APPENDED 1 // 1: blob region inside the image; 0: the blob comes as initrd
// Per region: size, and the symbol the linker script places (the twin defines arrays of the same name).
#define REGION_BLOB_SIZE 0x43000ull
#define REGION_PAGE_TABLES_SIZE 0x20000ull
#define REGION_STACK_GUARD_SIZE 0x2000ull
#define REGION_STACK_SIZE 0x8000ull
#define REGION_CORE_STACKS_SIZE 0x2a000ull
#define REGION_LINK_SIZE 0x3000ull
#define REGION_SESSION_SIZE 0x2000ull
#define REGION_ACTIVATIONS_SIZE 0x1d000ull
#define REGION_KV_CACHE_SIZE 0x8000ull
#define KV_CACHE_IN_IMAGE 1 // 1: a region like the others; 0: free RAM, found at boot
extern uint8_t __blob_start[], __page_tables_start[], __stack_guard_start[], __stack_start[], __stack_end[];
extern uint8_t __core_stacks_start[];
extern uint8_t __link_start[], __session_start[], __activations_start[], __kv_cache_start[];

// link region: buffers, offsets from __link_start, sizes in bytes
#define LINK_RX 0x0 // collected segment (COBS-encoded frame)
#define LINK_RX_SIZE 1280
#define LINK_TX 0x500 // window of sent frames: LINK_WINDOW slots of LINK_SLOT_SIZE
#define LINK_WINDOW 8
#define LINK_SLOT_SIZE 1280
// session region
#define SESSION_TEXT 0x0 // prompt text being collected
#define SESSION_TEXT_SIZE 4096
#define SESSION_PROMPT_IDS 0x1000 // u32 [N_CTX]
#define SESSION_HISTORY_IDS 0x11c0 // u32 [N_CTX]
// activations region (float32 unless said otherwise; first dimension N_BATCH where noted). Attention,
// feed-forward and the output matrix follow one another and read only ACT_H or ACT_QUANT, so that
// ACT_ATT to ACT_V, ACT_GATE and ACT_UP, ACT_Y, and ACT_LOGITS share their bytes.
#define ACT_X 0x0 // [N_BATCH][N_EMBD] residual stream
#define ACT_H 0x1000 // [N_BATCH, or a core each][N_EMBD] normed input
#define ACT_QUANT 0x2000 // quantised activations, as many rows of ACT_QUANT_ROW_SIZE bytes: q8_0 part first, then q8_k
#define ACT_QUANT_ROW_SIZE 0x0 // of the widest input, each part 64-byte aligned
#define ACT_QUANT_Q8_K 0x0 // offset of the q8_k part in a row
#define ACT_ATT 0x2000 // [N_BATCH][N_HEAD * HEAD_SIZE] attention output
#define ACT_Q 0x3000 // [N_BATCH][N_HEAD * HEAD_SIZE]
#define ACT_K 0x4000 // [N_BATCH][N_HEAD_KV * HEAD_SIZE]
#define ACT_V 0x4800 // [N_BATCH][N_HEAD_KV * HEAD_SIZE]
#define ACT_GATE 0x2000 // [N_BATCH][N_FF padded to 8]
#define ACT_UP_ROWS 0 // 0: ACT_UP has room for all rows; else for so many of each core
#define ACT_UP 0x3800 // [N_BATCH][N_FF padded to 8], or of each core [N_BATCH][ACT_UP_ROWS]
#define ACT_Y 0x3800 // [N_BATCH][N_EMBD] branch output: not over ACT_ATT and ACT_GATE
#define ACT_LOGITS 0x2000 // [N_LOGIT_ROWS][N_VOCAB_ROWS], the last padded to whole tiles
#define ACT_CANDIDATES 0x0 // u32 [N_VOCAB_ROWS]: sampler, between two passes: shares bytes with all but ACT_LOGITS
#define ACT_SCRATCH 0x0 // tokenizer symbols and heap, before a forward pass: shares all bytes above
#define ACT_SCRATCH_SIZE 114752
