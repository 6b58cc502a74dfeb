/* versions: what this build is made of and can do, for -V. */
#pragma once

#include <stdio.h>

void versions_print(FILE *out);
