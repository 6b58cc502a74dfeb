/* main: dotsgwctl [-s SOCKET] [-j] [-y] COMMAND. */

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "control/control.h"

/* -j and -y are taken behind the command, too. The rest stays, in its order; returns how many words that are. */
static int take_flags(struct control *control, int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-j") == 0)
            control->json = true;
        else if (strcmp(argv[i], "-y") == 0)
            control->yes = true;
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    struct control control = {.socket = getenv("DOTSGW_SOCKET")};
    enum control_exit result, written;
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
    if (strlen(control.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        fprintf(stderr, "dotsgwctl: %s: no socket has a path as long as this\n", control.socket);
        return EXIT_USAGE;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("dotsgwctl: libcurl cannot be set up\n", stderr);
        return EXIT_UNREACHABLE;
    }
    argv += optind;
    result = command_run(&control, take_flags(&control, argc - optind, argv), argv);
    curl_global_cleanup();
    written = output_check();
    return (int)(written == EXIT_GOOD ? result : written);
}
