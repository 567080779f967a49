/* A clock that jumps, for one process and its children: preloaded, it adds to the time of day what
 * stands in a shared file, 8 bytes of nanoseconds. Clocks that only measure (CLOCK_MONOTONIC) are left
 * alone, as the kernel leaves them alone when the time is set.
 *
 * libfaketime, which Debian has, does not serve here: with the monotonic clock left alone, its
 * clock_nanosleep answers EINVAL to Python's time.sleep (0.9.10).
 */

typedef long long nanoseconds;
struct instant { long seconds, nanoseconds; };

extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern void *mmap(void *, unsigned long, int, int, int, long);
extern long syscall(long, ...);
extern void *dlsym(void *, const char *);

#define SYS_CLOCK_GETTIME 228 /* x86-64 */
#define SECOND 1000000000LL
#define NEXT ((void *)-1)

static volatile nanoseconds *shift;
static nanoseconds none;

static nanoseconds read_shift(void)
{
	if(!shift){
		const char *path = getenv("CHAOS_CLOCK_FILE");
		int file = path ? open(path, 0) : -1;
		void *found = file < 0 ? (void *)-1 : mmap(0, 8, 1, 1, file, 0);
		shift = found == (void *)-1 ? &none : found;
	}
	return *shift;
}

static void move(struct instant *at, nanoseconds by)
{
	nanoseconds sum = at->seconds * SECOND + at->nanoseconds + by;

	at->seconds = sum / SECOND;
	at->nanoseconds = sum % SECOND;
}

int clock_gettime(int clock, struct instant *at)
{
	int result = (int)syscall(SYS_CLOCK_GETTIME, clock, at);

	if(result == 0 && (clock == 0 || clock == 5)){ /* the time of day, exact and coarse */
		move(at, read_shift());
	}
	return result;
}

int gettimeofday(struct instant *at, void *unused)
{
	int result = clock_gettime(0, at);

	at->nanoseconds /= 1000; /* a timeval: microseconds */
	return result;
}

long time(long *seconds)
{
	struct instant at;

	clock_gettime(0, &at);
	if(seconds){
		*seconds = at.seconds;
	}
	return at.seconds;
}

/* Deadlines that were computed with this clock are for the kernel's. */

int sem_timedwait(void *semaphore, const struct instant *until)
{
	static int (*real)(void *, const struct instant *);
	struct instant kernels = *until;

	if(!real){
		real = dlsym(NEXT, "sem_timedwait");
	}
	move(&kernels, -read_shift());
	return real(semaphore, &kernels);
}

int pthread_cond_timedwait(void *condition, void *mutex, const struct instant *until)
{
	static int (*real)(void *, void *, const struct instant *);
	struct instant kernels = *until;

	if(!real){
		real = dlsym(NEXT, "pthread_cond_timedwait");
	}
	move(&kernels, -read_shift());
	return real(condition, mutex, &kernels);
}
