/* process: a program that is measured from outside. It ends when the benchmark does. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* What it says goes to `log`, which is appended to. Ends the program when it cannot. */
pid_t process_start(const char *const *command, const char *log);

/* Waits for its end. */
void process_stop(pid_t pid, int signal);

/* What any process has used so far. */
double process_cpu_us(pid_t pid);
double process_resident_kib(pid_t pid);
double process_settled_kib(pid_t pid); /* once it does not change any more */
double process_peak_kib(pid_t pid);

/* A port of 127.0.0.1 that is free, for UDP and TCP, with the next `more`. */
uint16_t port_free(unsigned more);

/* A socket that is connected to it over TCP, or -1. */
int port_connect(uint16_t port);
void port_wait(uint16_t port); /* until it can be connected to; ends the program when that takes too long */

double now_us(void);
double median_of(double *values, size_t count); /* sorts them */
