// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* A cache that gives objects back when it is asked to: what it is asked, and what is left. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/module.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static unsigned int objects = 1000;
module_param(objects, uint, 0444);

static long batch;
module_param(batch, long, 0);

static int seeks = -1;
module_param(seeks, int, 0);

static char *mode = "";
module_param(mode, charp, 0);

static unsigned int counted, scans, asked, freed;
module_param(counted, uint, 0444);
module_param(scans, uint, 0444);
module_param(asked, uint, 0444);
module_param(freed, uint, 0444);

struct object {
	struct list_head node;
	char data[48];
};
static LIST_HEAD(cache);
static DEFINE_SPINLOCK(lock);
static unsigned int held;
module_param(held, uint, 0444);
static struct shrinker *shrinker;

static unsigned long lr_count(struct shrinker *s, struct shrink_control *sc)
{
	counted++;
	if (!strcmp(mode, "empty"))
		return SHRINK_EMPTY;
	return held;
}

static unsigned long lr_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long done = 0;

	if (scans++ < 4)
		pr_info("scan %lu, as many to begin with %d, private %d, node %d, may wait %d\n", sc->nr_to_scan, sc->nr_scanned == sc->nr_to_scan,
			s->private_data == &cache, sc->nid, (sc->gfp_mask & GFP_KERNEL) == GFP_KERNEL);
	asked += sc->nr_to_scan;
	if (!strcmp(mode, "stop"))
		return SHRINK_STOP;
	spin_lock(&lock);
	while (done < sc->nr_to_scan && !list_empty(&cache)) {
		struct object *o = list_first_entry(&cache, struct object, node);

		list_del(&o->node);
		kfree(o);
		held--;
		done++;
	}
	spin_unlock(&lock);
	freed += done;
	if (!strcmp(mode, "half"))
		sc->nr_scanned = done / 2 + 1;
	return done;
}

static int __init lr_shrink_init(void)
{
	unsigned int i;

	shrinker = shrinker_alloc(0, "lr-%s", "cache");
	if (!shrinker)
		return -ENOMEM;
	pr_info("seeks %d, batch %ld, flags %#x\n", shrinker->seeks, shrinker->batch, shrinker->flags);
	shrinker->count_objects = lr_count;
	shrinker->scan_objects = lr_scan;
	shrinker->private_data = &cache;
	shrinker->batch = batch;
	if (seeks >= 0)
		shrinker->seeks = seeks;
	for (i = 0; i < objects; i++) {
		struct object *o = kmalloc(sizeof(*o), GFP_KERNEL);

		if (!o)
			break;
		list_add_tail(&o->node, &cache);
		held++;
	}
	if (!strcmp(mode, "never")) {
		shrinker_free(shrinker);
		shrinker = NULL;
	} else {
		shrinker_register(shrinker);
		pr_info("flags %#x, references %d\n", shrinker->flags, refcount_read(&shrinker->refcount));
	}
	return 0;
}

static void __exit lr_shrink_exit(void)
{
	struct object *o, *next;

	shrinker_free(shrinker);
	list_for_each_entry_safe(o, next, &cache, node)
		kfree(o);
	pr_info("held %u\n", held);
}

module_init(lr_shrink_init);
module_exit(lr_shrink_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a shrinker");
