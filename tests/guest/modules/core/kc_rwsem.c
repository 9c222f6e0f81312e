// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "kc.h"
#include <linux/rwsem.h>
#include <linux/kthread.h>
#include <linux/delay.h>

static DECLARE_RWSEM(sem);

static int writer(void *unused)
{
	down_write(&sem);
	pr_info("writer is in\n");
	up_write(&sem);
	return 0;
}
static int reader(void *unused)
{
	down_read(&sem);
	pr_info("late reader is in\n");
	up_read(&sem);
	return 0;
}

static int __init kc_init(void)
{
	struct task_struct *w, *r;

	pr_info("free: locked %d\n", rwsem_is_locked(&sem));
	down_read(&sem);
	pr_info("read: another %d, write %d\n", down_read_trylock(&sem), down_write_trylock(&sem));
	up_read(&sem);
	up_read(&sem);
	down_write(&sem);
	pr_info("write: read %d, write %d\n", down_read_trylock(&sem), down_write_trylock(&sem));
	downgrade_write(&sem);
	pr_info("downgraded: read %d, write %d\n", down_read_trylock(&sem), down_write_trylock(&sem));
	up_read(&sem);
	up_read(&sem);
	pr_info("killable %d %d\n", down_write_killable(&sem), rwsem_is_locked(&sem));
	up_write(&sem);
	pr_info("interruptible %d\n", down_read_interruptible(&sem));
	w = kthread_run(writer, NULL, "kc_writer");
	msleep(30);
	r = kthread_run(reader, NULL, "kc_reader");
	msleep(30);
	pr_info("a reader holds it\n");
	up_read(&sem);
	msleep(50);
	pr_info("end: locked %d\n", rwsem_is_locked(&sem));
	return 0;
}
KC_ONCE(kc_init, "reader-writer semaphores");
