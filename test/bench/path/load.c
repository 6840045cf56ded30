// SPDX-License-Identifier: AGPL-3.0-only
/*
 * The load: a server for any number of containers, and clients that say what
 * they saw as one line of JSON.
 *
 *   load serve PORT NETNS...            listens in each network namespace; says "ready"
 *   load requests SECONDS PIDS ADDRESS:PORT...
 *                                       one byte there and one back, on one connection after the other
 *   load connections SECONDS PIDS ADDRESS:PORT...
 *                                       connect, a byte there and back, reset: 16 at a time
 *   load up|down SECONDS PIDS ADDRESS:PORT
 *                                       as much as goes through one connection, in gigabits
 *
 * PIDS are the processes that work for it: the server, and who else is between
 * ("12,13", or ""). All run on one processor, so what is done in a second of
 * theirs is the rate: what others did on that processor meanwhile takes
 * nothing from it. "share" is how much of the processor they had.
 *
 * A connection's first byte says what it wants: to hear its bytes again, to be
 * read from, or to be written to.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum wish {
	ECHO = '.',
	SINK = '>',
	SOURCE = '<',
};

#define BUFFER (256 * 1024)
#define EVENTS 64
#define AT_ONCE 16
#define MAX_TARGETS 64
#define MAX_FDS 4096
#define MAX_SAMPLES (1 << 22)
#define PATIENCE_MS 30000
#define NS_PER_S 1000000000ULL
#define NS_PER_US 1000.0

/* Not measured: congestion windows open, caches fill. */
#define WARM_UP_NS (50 * 1000000ULL)

static char buffer[BUFFER];

static void fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		fail("setsockopt %d", option);
}

static void watch(int epoll, int operation, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, operation, fd, &event))
		fail("epoll_ctl");
}

/* The server. */

static enum wish wishes[MAX_FDS];

static int listen_in(const char *netns, uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int ns, fd;

	ns = open(netns, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		fail("enter %s", netns);
	close(ns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096))
		fail("listen on port %u in %s", port, netns);
	return fd;
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= MAX_FDS) {
			close(fd);
			continue;
		}
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		wishes[fd] = 0;
		watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
	}
}

/* False when the connection is over. */
static bool serve_one(int epoll, int fd)
{
	ssize_t length;

	if (wishes[fd] == SOURCE) {
		length = send(fd, buffer, BUFFER, MSG_NOSIGNAL);
		return length > 0 || errno == EAGAIN;
	}
	length = recv(fd, buffer, wishes[fd] == SINK ? BUFFER : 64, 0);
	if (length <= 0)
		return length < 0 && errno == EAGAIN;
	if (!wishes[fd])
		wishes[fd] = buffer[0];
	if (wishes[fd] == SOURCE)
		watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
	if (wishes[fd] == ECHO)
		return send(fd, buffer, length, MSG_NOSIGNAL) == length;
	return true;
}

static void serve(uint16_t port, int count, char **namespaces)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	bool listeners[MAX_FDS] = {};

	for (int i = 0; i < count; i++) {
		int fd = listen_in(namespaces[i], port);

		listeners[fd] = true;
		watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;

			if (listeners[fd])
				accept_all(epoll, fd);
			else if (!serve_one(epoll, fd))
				close(fd);
		}
	}
}

/* The clients. */

static struct sockaddr_in targets[MAX_TARGETS];
static int target_count;

static void add_target(const char *text)
{
	struct sockaddr_in *target = &targets[target_count++];
	char address[16] = {};
	unsigned int port = 0;

	if (target_count > MAX_TARGETS || sscanf(text, "%15[0-9.]:%u", address, &port) != 2 ||
	    inet_pton(AF_INET, address, &target->sin_addr) != 1) {
		errno = EINVAL;
		fail("%s", text);
	}
	target->sin_family = AF_INET;
	target->sin_port = htons(port);
}

/* Ends with a reset: no port of the client's waits for late segments. */
static int client_socket(int flags)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		fail("socket");
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static int connected(const struct sockaddr_in *target, enum wish wish)
{
	char byte = wish;
	int fd = client_socket(0);

	if (connect(fd, (const struct sockaddr *)target, sizeof(*target)))
		fail("connect to port %u", ntohs(target->sin_port));
	if (send(fd, &byte, 1, 0) != 1)
		fail("send");
	return fd;
}

static int ascending(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a;
	uint32_t other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

static int fds[MAX_TARGETS];
static uint32_t *samples;
static size_t sample_count;

static void open_requests(void)
{
	char byte;

	samples = malloc(MAX_SAMPLES * sizeof(*samples));
	for (int i = 0; i < target_count; i++) {
		fds[i] = connected(&targets[i], ECHO);
		if (recv(fds[i], &byte, 1, 0) != 1)
			fail("receive");
	}
}

static uint64_t requests(uint64_t duration)
{
	uint64_t sent = now(), end = sent + duration;
	char byte = ECHO;

	sample_count = 0;
	for (int i = 0; sent < end && sample_count < MAX_SAMPLES; i = (i + 1) % target_count) {
		uint64_t answered;

		if (send(fds[i], &byte, 1, 0) != 1 || recv(fds[i], &byte, 1, 0) != 1)
			fail("request");
		answered = now();
		samples[sample_count++] = answered - sent;
		sent = answered;
	}
	return sample_count;
}

static double percentile(unsigned int percent)
{
	return samples[sample_count * percent / 100] / NS_PER_US;
}

static int epoll;
static int next_target;

static void open_another(void)
{
	const struct sockaddr_in *target = &targets[next_target];
	int fd = client_socket(SOCK_NONBLOCK);

	next_target = (next_target + 1) % target_count;
	if (connect(fd, (const struct sockaddr *)target, sizeof(*target)) && errno != EINPROGRESS)
		fail("connect to port %u", ntohs(target->sin_port));
	watch(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT);
}

static void open_connections(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < AT_ONCE; i++)
		open_another();
}

/* True when it has done all it was opened for, and is closed. */
static bool go_on_with(const struct epoll_event *event)
{
	int fd = event->data.fd;
	char byte = ECHO;

	if (event->events & EPOLLIN) {
		if (recv(fd, &byte, 1, 0) != 1)
			fail("receive");
		close(fd);
		return true;
	}
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		fail("connect");
	watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
	return false;
}

static uint64_t connections(uint64_t duration)
{
	struct epoll_event events[EVENTS];
	uint64_t end = now() + duration;
	uint64_t count = 0;

	do {
		int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);

		if (ready == 0) {
			errno = ETIMEDOUT;
			fail("connections");
		}
		for (int i = 0; i < ready; i++) {
			if (!go_on_with(&events[i]))
				continue;
			count++;
			open_another();
		}
	} while (now() < end);
	return count;
}

static void open_up(void)
{
	fds[0] = connected(&targets[0], SINK);
}

static void open_down(void)
{
	fds[0] = connected(&targets[0], SOURCE);
}

/* In bits. */
static uint64_t up(uint64_t duration)
{
	uint64_t end = now() + duration;
	uint64_t count = 0;

	do {
		ssize_t length = send(fds[0], buffer, BUFFER, MSG_NOSIGNAL);

		if (length <= 0)
			fail("send");
		count += length;
	} while (now() < end);
	return 8 * count;
}

static uint64_t down(uint64_t duration)
{
	uint64_t end = now() + duration;
	uint64_t count = 0;

	do {
		ssize_t length = recv(fds[0], buffer, BUFFER, 0);

		if (length <= 0)
			fail("receive");
		count += length;
	} while (now() < end);
	return 8 * count;
}

static const struct client {
	const char *name;
	void (*open)(void);
	uint64_t (*run)(uint64_t duration);
	double unit;
} clients[] = {
	{ "requests", open_requests, requests, 1 },
	{ "connections", open_connections, connections, 1 },
	{ "up", open_up, up, 1e9 },
	{ "down", open_down, down, 1e9 },
};

/* All who work for this client: it, and those at the other end and between. */
static uint64_t processor_time(const char *others)
{
	struct timespec own;
	uint64_t sum;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	sum = own.tv_sec * NS_PER_S + own.tv_nsec;
	while (*others) {
		unsigned long long time = 0;
		char path[64];
		FILE *file;
		char *end;

		snprintf(path, sizeof(path), "/proc/%lu/schedstat", strtoul(others, &end, 10));
		file = fopen(path, "re");
		if (!file || fscanf(file, "%llu", &time) != 1)
			fail("read %s", path);
		fclose(file);
		sum += time;
		others = *end ? end + 1 : end;
	}
	return sum;
}

static void measure(const struct client *client, uint64_t duration, const char *others)
{
	uint64_t wall, spent, count;

	client->open();
	client->run(WARM_UP_NS);
	wall = now();
	spent = processor_time(others);
	count = client->run(duration);
	spent = processor_time(others) - spent;
	wall = now() - wall;
	printf("{\"rate\": %.4f, \"share\": %.4f", count / client->unit * NS_PER_S / spent,
	       (double)spent / wall);
	if (samples) {
		qsort(samples, sample_count, sizeof(*samples), ascending);
		printf(", \"p50\": %.2f, \"p99\": %.2f", percentile(50), percentile(99));
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct rlimit files = { MAX_FDS, MAX_FDS };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc > 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]), argc - 3, argv + 3);
	for (size_t i = 0; argc > 4 && i < sizeof(clients) / sizeof(*clients); i++) {
		if (strcmp(argv[1], clients[i].name))
			continue;
		for (int j = 4; j < argc; j++)
			add_target(argv[j]);
		measure(&clients[i], atof(argv[2]) * NS_PER_S, argv[3]);
		return 0;
	}
	fprintf(stderr, "usage: load serve PORT NETNS... | WHAT SECONDS PIDS ADDRESS:PORT...\n");
	return 2;
}
