// What the driver and its users share.
#include <linux/ioctl.h>
#include <linux/types.h>

#define COUNTER_LINE 64

struct counter_state {
	__u32 reads, writes, step;
};
#define COUNTER_GET _IOR('C', 1, struct counter_state)
#define COUNTER_STEP _IO('C', 2)
