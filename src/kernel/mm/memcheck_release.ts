import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, virtToPhys } from './address.ts';
import type { CheckedObject } from './memcheck.ts';
import { getOrder } from './slab_cache.ts';
import { vfree } from './vmalloc.ts';

/** Gives the memory of an object that leaves the quarantine to its allocator. */
export function releaseChecked(k: Kernel, object: CheckedObject): void {
  switch (object.kind) {
    case 'vmalloc':
      vfree(k, object.va);
      break;
    case 'pages':
      k.mm.pages.free(virtToPhys(object.va), getOrder(object.room / PAGE_SIZE > 0 ? object.room : PAGE_SIZE));
      break;
    default:
      k.mm.slab.kfree(virtToPhys(object.va));
  }
}
