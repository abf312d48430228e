// GPIO pins of the BCM2835 and its successors up to the BCM2711.
#pragma once

#include "lib/types.h"

enum gpio_kind { GPIO_NONE, GPIO_BCM2835, GPIO_BCM2711 }; // they differ in their pull resistors

// As the registers encode it.
enum gpio_function { GPIO_INPUT = 0, GPIO_ALT0 = 4, GPIO_ALT3 = 7, GPIO_ALT5 = 2 };
enum gpio_pull { GPIO_PULL_NONE, GPIO_PULL_UP };

enum gpio_function gpio_function(paddr_t base, unsigned pin);
void gpio_select(paddr_t base, unsigned pin, enum gpio_function function);
void gpio_pull(paddr_t base, enum gpio_kind kind, unsigned pin, enum gpio_pull pull);
