// Included before every C file of the kernel: there is one image, so every symbol is inside it and
// is reached by adrp + add. Without this a declaration of something defined in another file is
// "maybe in a shared library" and is reached through a GOT, which would need relocating at boot.
// (-fvisibility=hidden says the same, but only of definitions.)
#pragma GCC visibility push(hidden)
