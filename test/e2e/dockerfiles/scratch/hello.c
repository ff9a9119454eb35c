#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("nothing but me, as user %d\n", (int)getuid());
}
