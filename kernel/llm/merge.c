// Merging neighbours, the best pair first: symbols are a linked list, candidates a heap.
#include "llm/merge.h"

struct heap {
    struct merge_candidate *items;
    size_t n;
};

// Lowest rank first, then leftmost.
static bool before(struct merge_candidate a, struct merge_candidate b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.left < b.left);
}

static void heap_push(struct heap *heap, struct merge_candidate c)
{
    size_t i = heap->n++;
    while (i > 0 && before(c, heap->items[(i - 1) / 2])) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = c;
}

static struct merge_candidate heap_pop(struct heap *heap)
{
    const struct merge_candidate top = heap->items[0];
    const struct merge_candidate last = heap->items[--heap->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->n) {
            break;
        }
        if (child + 1 < heap->n && before(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!before(heap->items[child], last)) {
            break;
        }
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = last;
    return top;
}

// What the symbol at `left` and the next one make.
static struct merged_pair pair_at(const struct fragment *f, merge_rule *rule, uint32_t left)
{
    const uint32_t right = left + f->symbols[left].n;
    return right < f->end ? rule(f, left, right) : (struct merged_pair){0, NO_TOKEN};
}

static void consider(const struct fragment *f, merge_rule *rule, struct heap *heap, uint32_t left)
{
    const struct merged_pair pair = pair_at(f, rule, left);
    if (pair.id != NO_TOKEN) {
        heap_push(heap, (struct merge_candidate){pair.rank, left});
    }
}

void merge_symbols(struct fragment *f, merge_rule *rule)
{
    struct heap heap = {f->heap, 0};
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        consider(f, rule, &heap, slot);
    }
    while (heap.n > 0) {
        const struct merge_candidate best = heap_pop(&heap);
        struct symbol *left = &f->symbols[best.left];
        if (left->n == 0) {
            continue; // it has been merged into the symbol to its left
        }
        const struct merged_pair pair = pair_at(f, rule, best.left);
        if (pair.id == NO_TOKEN || pair.rank != best.rank) {
            continue; // one of the two has grown since
        }
        struct symbol *right = left + left->n;
        left->n += right->n;
        left->id = pair.id;
        right->n = 0;
        if (best.left + left->n < f->end) {
            left[left->n].prev = best.left;
        }
        consider(f, rule, &heap, best.left);
        if (left->prev != NO_SLOT) {
            consider(f, rule, &heap, left->prev);
        }
    }
}
