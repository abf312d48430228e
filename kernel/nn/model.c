// Where the model's blob lies.
#include "nn/model.h"

const uint8_t *model_blob;

void model_init(const uint8_t *blob)
{
    model_blob = blob;
}
