// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* DMA memory of a platform device: coherent, streaming, lists, pools, managed. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

static char *what = "";
module_param(what, charp, 0);

static struct platform_device *pdev;
static struct dma_pool *left, *second;
static void *held;
static dma_addr_t held_at;

static unsigned int nonzero(const u8 *p, size_t len)
{
	unsigned int n = 0;

	while (len--)
		n += *p++ != 0;
	return n;
}

static void coherent(struct device *dev)
{
	static const size_t sizes[] = { 1, 4096, 4097, 65536, 4 << 20 };
	unsigned int i;

	pr_info("masks %llx %llx\n", *dev->dma_mask, dev->coherent_dma_mask);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		dma_addr_t at = 1;
		u8 *p = dma_alloc_coherent(dev, sizes[i], &at, GFP_KERNEL);

		if (!p) {
			pr_info("%zu: none\n", sizes[i]);
			continue;
		}
		pr_info("%zu: aligned %d, address %d, linear %d, not zero %u\n", sizes[i], IS_ALIGNED((unsigned long)p, PAGE_SIZE),
			at == virt_to_phys(p), virt_addr_valid(p), nonzero(p, sizes[i]));
		memset(p, 0x5a, sizes[i]);
		dma_free_coherent(dev, sizes[i], p, at);
	}
	pr_info("too much: %d\n", dma_alloc_coherent(dev, 8 << 20, &held_at, GFP_KERNEL | __GFP_NOWARN) != NULL);
	dma_free_coherent(dev, 4096, NULL, 0);
}

static void streaming(struct device *dev)
{
	struct scatterlist sg[3];
	struct sg_table table;
	u8 *p = kmalloc(10000, GFP_KERNEL);
	dma_addr_t at = dma_map_single(dev, p + 100, 5000, DMA_TO_DEVICE);
	int i, n;

	pr_info("single: error %d, address %d\n", dma_mapping_error(dev, at), at == virt_to_phys(p + 100));
	dma_sync_single_for_cpu(dev, at, 5000, DMA_TO_DEVICE);
	dma_sync_single_for_device(dev, at, 5000, DMA_TO_DEVICE);
	dma_unmap_single(dev, at, 5000, DMA_TO_DEVICE);
	at = dma_map_page(dev, virt_to_page(p), offset_in_page(p), 64, DMA_BIDIRECTIONAL);
	pr_info("page: error %d, address %d\n", dma_mapping_error(dev, at), at == virt_to_phys(p));
	dma_unmap_page(dev, at, 64, DMA_BIDIRECTIONAL);
	sg_init_table(sg, 3);
	for (i = 0; i < 3; i++)
		sg_set_buf(&sg[i], p + i * 3000, 1000 + i);
	n = dma_map_sg(dev, sg, 3, DMA_FROM_DEVICE);
	pr_info("list: %d\n", n);
	for (i = 0; i < n; i++)
		pr_info("entry %d: %u, address %d\n", i, sg_dma_len(&sg[i]), sg_dma_address(&sg[i]) == virt_to_phys(p + i * 3000));
	dma_unmap_sg(dev, sg, 3, DMA_FROM_DEVICE);
	memset(&table, 0, sizeof(table));
	table.sgl = sg;
	table.orig_nents = 3;
	pr_info("table: %d, %u\n", dma_map_sgtable(dev, &table, DMA_FROM_DEVICE, 0), table.nents);
	dma_unmap_sgtable(dev, &table, DMA_FROM_DEVICE, 0);
	pr_info("largest mapping %d, boundary %lu, need sync %d\n", dma_max_mapping_size(dev) == SIZE_MAX, dma_get_merge_boundary(dev),
		dma_need_sync(dev, at));
	kfree(p);
}

static void masks(struct device *dev)
{
	u64 mask;
	u8 *p = kmalloc(64, GFP_KERNEL);

	pr_info("12 bits: %d, %d\n", dma_set_mask(dev, DMA_BIT_MASK(12)), dma_set_coherent_mask(dev, DMA_BIT_MASK(12)));
	pr_info("32 bits: %d\n", dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32)));
	pr_info("64 bits: %d\n", dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	pr_info("masks %llx %llx\n", *dev->dma_mask, dev->coherent_dma_mask);
	mask = dma_get_required_mask(dev);
	pr_info("required: all ones %d, enough %d\n", (mask & (mask + 1)) == 0, mask >= virt_to_phys(p));
	kfree(p);
	dev->dma_mask = NULL;
	pr_info("no mask: %d\n", dma_set_mask(dev, DMA_BIT_MASK(32)));
}

static void show_pools(struct device *dev)
{
	pr_info("pools: see sysfs\n");
}

static void pools(struct device *dev)
{
	struct dma_pool *pool = dma_pool_create("lr first", dev, 100, 64, 0);
	dma_addr_t at[64];
	void *p[64];
	int i;

	pr_info("refused: %d %d %d %d\n", dma_pool_create("x", dev, 100, 48, 0) != NULL, dma_pool_create("x", dev, 0, 0, 0) != NULL,
		dma_pool_create("x", dev, 100, 0, 64) != NULL, dma_pool_create("x", dev, 100, 0, 100) != NULL);
	for (i = 0; i < 40; i++)
		p[i] = dma_pool_zalloc(pool, GFP_KERNEL, &at[i]);
	pr_info("distance %ld, aligned %d, address %d, zero %u\n", p[1] - p[0], IS_ALIGNED(at[1], 64), at[1] == virt_to_phys(p[1]), nonzero(p[1], 100));
	dma_pool_free(pool, p[7], at[7]);
	dma_pool_free(pool, p[3], at[3]);
	pr_info("last in, first out %d\n", dma_pool_alloc(pool, GFP_ATOMIC, &at[3]) == p[3]);
	second = dma_pool_create("lr second", dev, 24, 8, 4096);
	held = dma_pool_alloc(second, GFP_KERNEL, &held_at);
	show_pools(dev);
	left = pool;
	for (i = 0; i < 39; i++)
		if (i != 7)
			dma_pool_free(pool, p[i], at[i]);
	if (!strcmp(what, "busy")) {
		dma_pool_destroy(second);
		second = NULL;
		free_page((unsigned long)held & PAGE_MASK);
	}
	dma_pool_free(pool, p[39], at[39]);
	dma_pool_destroy(NULL);
}

static int lr_probe(struct platform_device *dev)
{
	dma_addr_t at, at2;
	void *p = dmam_alloc_coherent(&dev->dev, 3 * PAGE_SIZE, &at, GFP_KERNEL), *q = dmam_alloc_coherent(&dev->dev, 100, &at2, GFP_KERNEL);
	struct dma_pool *pool = dmam_pool_create("lr managed", &dev->dev, 64, 0, 0);

	pr_info("managed: %d %d %d\n", at == virt_to_phys(p), at2 == virt_to_phys(q), pool != NULL);
	dmam_free_coherent(&dev->dev, 100, q, at2);
	return 0;
}
static void lr_remove(struct platform_device *dev)
{
	pr_info("removed\n");
}
static struct platform_driver driver = {
	.probe = lr_probe,
	.remove_new = lr_remove,
	.driver = { .name = "lr_dma" },
};

static int __init lr_dma_init(void)
{
	pdev = platform_device_register_simple("lr_dma", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	if (!strcmp(what, "coherent"))
		coherent(&pdev->dev);
	if (!strcmp(what, "streaming"))
		streaming(&pdev->dev);
	if (!strcmp(what, "masks"))
		masks(&pdev->dev);
	if (!strcmp(what, "pools") || !strcmp(what, "busy"))
		pools(&pdev->dev);
	if (!strcmp(what, "managed"))
		return platform_driver_register(&driver);
	return 0;
}

static void __exit lr_dma_exit(void)
{
	if (second) {
		dma_pool_free(second, held, held_at);
		dma_pool_destroy(second);
	}
	dma_pool_destroy(left);
	if (!strcmp(what, "managed"))
		platform_driver_unregister(&driver);
	platform_device_unregister(pdev);
}

module_init(lr_dma_init);
module_exit(lr_dma_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("DMA memory");
