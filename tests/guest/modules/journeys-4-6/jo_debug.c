// The same, built with -DDEBUG.
#include "jo_levels.c"
