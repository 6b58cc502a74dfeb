/* main: dotsgwctl [-s SOCKET] [-j] [-y] COMMAND. */

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/control.h"

int main(int argc, char **argv)
{
    struct control control = {.socket = getenv("DOTSGW_SOCKET")};
    enum control_exit result;
    int option;

    if (!control.socket)
        control.socket = SOCKET_DEFAULT;
    while ((option = getopt(argc, argv, "+s:jyhV")) != -1) {
        switch (option) {
        case 's':
            control.socket = optarg;
            break;
        case 'j':
            control.json = true;
            break;
        case 'y':
            control.yes = true;
            break;
        case 'h':
            command_usage();
            return EXIT_GOOD;
        case 'V':
            puts("dotsgwctl " DOTSGW_VERSION);
            return EXIT_GOOD;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        command_usage();
        return EXIT_USAGE;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("dotsgwctl: libcurl cannot be set up\n", stderr);
        return EXIT_UNREACHABLE;
    }
    result = command_run(&control, argc - optind, argv + optind);
    curl_global_cleanup();
    return (int)result;
}
