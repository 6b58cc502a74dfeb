/* main: dots-client, what dig is to DNS. */

#include <signal.h>
#include <stdlib.h>

#include "client/client.h"
#include "gateway/log/log.h"

int main(int argc, char **argv)
{
    struct client_options options;
    int status = client_parse(argc, argv, &options);

    if (status != CLIENT_OK)
        return status < 0 ? CLIENT_OK : status;
    signal(SIGPIPE, SIG_IGN);
    log_configure(options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return client_run(&options);
}
