// SPDX-License-Identifier: AGPL-3.0-only
/*
 * The load: a server for any number of containers, and clients that say what
 * they saw as one line of JSON.
 *
 *   load serve PORT NETNS...            listens in each network namespace; says "ready"
 *   load requests SECONDS ADDRESS:PORT...
 *                                       one byte there and one back, on one connection after the other
 *   load connections SECONDS ADDRESS:PORT...
 *                                       connect, a byte there and back, reset: 16 at a time
 *   load up|down SECONDS ADDRESS:PORT   as much as goes through one connection
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

static void requests(uint64_t duration)
{
	uint32_t *samples = malloc(MAX_SAMPLES * sizeof(*samples));
	uint64_t begin, end, sent;
	int fds[MAX_TARGETS];
	size_t count = 0;
	char byte = ECHO;

	for (int i = 0; i < target_count; i++) {
		fds[i] = connected(&targets[i], ECHO);
		if (recv(fds[i], &byte, 1, 0) != 1)
			fail("receive");
	}
	begin = now() + WARM_UP_NS;
	end = begin + duration;
	sent = now();
	/* On a machine that is busy otherwise, one may take longer than all of them should. */
	for (int i = 0; (sent < end || !count) && count < MAX_SAMPLES; i = (i + 1) % target_count) {
		uint64_t answered;

		if (send(fds[i], &byte, 1, 0) != 1 || recv(fds[i], &byte, 1, 0) != 1)
			fail("request");
		answered = now();
		if (sent >= begin)
			samples[count++] = answered - sent;
		sent = answered;
	}
	qsort(samples, count, sizeof(*samples), ascending);
	printf("{\"perSecond\": %.1f, \"p50\": %.2f, \"p99\": %.2f}\n",
	       count * (double)NS_PER_S / (sent - begin), samples[count / 2] / NS_PER_US,
	       samples[count * 99 / 100] / NS_PER_US);
}

static int next_target;

static void open_another(int epoll)
{
	const struct sockaddr_in *target = &targets[next_target];
	int fd = client_socket(SOCK_NONBLOCK);

	next_target = (next_target + 1) % target_count;
	if (connect(fd, (const struct sockaddr *)target, sizeof(*target)) && errno != EINPROGRESS)
		fail("connect to port %u", ntohs(target->sin_port));
	watch(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT);
}

static void connections(uint64_t duration)
{
	uint64_t begin = now() + WARM_UP_NS, end = begin + duration, time;
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t count = 0;
	char byte = ECHO;

	for (int i = 0; i < AT_ONCE; i++)
		open_another(epoll);
	do {
		int ready = epoll_wait(epoll, events, EVENTS, 1000);

		if (ready == 0) {
			errno = ETIMEDOUT;
			fail("connections");
		}
		time = now();
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;

			if (events[i].events & EPOLLIN) {
				if (recv(fd, &byte, 1, 0) != 1)
					fail("receive");
				close(fd);
				count += time >= begin;
				open_another(epoll);
				continue;
			}
			if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
				fail("connect");
			watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
		}
	} while (time < end);
	printf("{\"perSecond\": %.1f}\n", count * (double)NS_PER_S / (time - begin));
}

static void stream(uint64_t duration, enum wish wish)
{
	int fd = connected(&targets[0], wish);
	uint64_t begin = now() + WARM_UP_NS, end = begin + duration, time;
	uint64_t count = 0;

	do {
		ssize_t length = wish == SINK ? send(fd, buffer, BUFFER, MSG_NOSIGNAL)
					      : recv(fd, buffer, BUFFER, 0);

		if (length <= 0)
			fail("stream");
		time = now();
		if (time >= begin)
			count += length;
	} while (time < end);
	/* Bits in a nanosecond are gigabits in a second. */
	printf("{\"gigabits\": %.4f}\n", count * 8.0 / (time - begin));
}

int main(int argc, char **argv)
{
	struct rlimit files = { MAX_FDS, MAX_FDS };
	uint64_t duration;
	const char *what;

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc < 4) {
		fprintf(stderr, "usage: load serve PORT NETNS... | WHAT SECONDS ADDRESS:PORT...\n");
		return 2;
	}
	what = argv[1];
	if (!strcmp(what, "serve")) {
		serve(atoi(argv[2]), argc - 3, argv + 3);
		return 0;
	}
	duration = atof(argv[2]) * NS_PER_S;
	for (int i = 3; i < argc; i++)
		add_target(argv[i]);
	if (!strcmp(what, "requests"))
		requests(duration);
	else if (!strcmp(what, "connections"))
		connections(duration);
	else
		stream(duration, !strcmp(what, "up") ? SINK : SOURCE);
	return 0;
}
