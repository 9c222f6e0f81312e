// include/linux/gfp_types.h of 6.12.

export const GFP_DMA = 1 << 0;
export const GFP_HIGHMEM = 1 << 1;
export const GFP_DMA32 = 1 << 2;
export const GFP_MOVABLE_BIT = 1 << 3;
export const GFP_RECLAIMABLE = 1 << 4;
export const GFP_HIGH = 1 << 5;
export const GFP_IO = 1 << 6;
export const GFP_FS = 1 << 7;
export const GFP_ZERO = 1 << 8;
export const GFP_DIRECT_RECLAIM = 1 << 10;
export const GFP_KSWAPD_RECLAIM = 1 << 11;
export const GFP_WRITE = 1 << 12;
export const GFP_NOWARN = 1 << 13;
export const GFP_RETRY_MAYFAIL = 1 << 14;
export const GFP_NOFAIL = 1 << 15;
export const GFP_NORETRY = 1 << 16;
export const GFP_MEMALLOC = 1 << 17;
export const GFP_COMP = 1 << 18;
export const GFP_NOMEMALLOC = 1 << 19;
export const GFP_HARDWALL = 1 << 20;
export const GFP_THISNODE = 1 << 21;
export const GFP_ACCOUNT = 1 << 22;
export const GFP_ZEROTAGS = 1 << 23;

export const GFP_KERNEL = GFP_DIRECT_RECLAIM | GFP_KSWAPD_RECLAIM | GFP_IO | GFP_FS;
export const GFP_ATOMIC = GFP_HIGH | GFP_KSWAPD_RECLAIM;
export const GFP_NOWAIT = GFP_KSWAPD_RECLAIM | GFP_NOWARN;
export const GFP_USER = GFP_KERNEL | GFP_HARDWALL;
export const GFP_HIGHUSER = GFP_USER | GFP_HIGHMEM;
export const GFP_HIGHUSER_MOVABLE = GFP_HIGHUSER | GFP_MOVABLE_BIT;

/** How %pGg names masks: the wider ones first (include/trace/events/mmflags.h, gfpflag_string). */
const NAMES: readonly (readonly [number, string])[] = [
  [GFP_HIGHUSER_MOVABLE, 'GFP_HIGHUSER_MOVABLE'],
  [GFP_HIGHUSER, 'GFP_HIGHUSER'],
  [GFP_USER, 'GFP_USER'],
  [GFP_KERNEL | GFP_ACCOUNT, 'GFP_KERNEL_ACCOUNT'],
  [GFP_KERNEL, 'GFP_KERNEL'],
  [GFP_DIRECT_RECLAIM | GFP_KSWAPD_RECLAIM | GFP_IO, 'GFP_NOFS'],
  [GFP_ATOMIC, 'GFP_ATOMIC'],
  [GFP_DIRECT_RECLAIM | GFP_KSWAPD_RECLAIM, 'GFP_NOIO'],
  [GFP_NOWAIT, 'GFP_NOWAIT'],
  [GFP_DMA, 'GFP_DMA'],
  [GFP_HIGHMEM, '__GFP_HIGHMEM'],
  [GFP_DMA32, 'GFP_DMA32'],
  [GFP_HIGH, '__GFP_HIGH'],
  [GFP_IO, '__GFP_IO'],
  [GFP_FS, '__GFP_FS'],
  [GFP_NOWARN, '__GFP_NOWARN'],
  [GFP_RETRY_MAYFAIL, '__GFP_RETRY_MAYFAIL'],
  [GFP_NOFAIL, '__GFP_NOFAIL'],
  [GFP_NORETRY, '__GFP_NORETRY'],
  [GFP_COMP, '__GFP_COMP'],
  [GFP_ZERO, '__GFP_ZERO'],
  [GFP_NOMEMALLOC, '__GFP_NOMEMALLOC'],
  [GFP_MEMALLOC, '__GFP_MEMALLOC'],
  [GFP_HARDWALL, '__GFP_HARDWALL'],
  [GFP_THISNODE, '__GFP_THISNODE'],
  [GFP_RECLAIMABLE, '__GFP_RECLAIMABLE'],
  [GFP_MOVABLE_BIT, '__GFP_MOVABLE'],
  [GFP_ACCOUNT, '__GFP_ACCOUNT'],
  [GFP_WRITE, '__GFP_WRITE'],
  [GFP_DIRECT_RECLAIM | GFP_KSWAPD_RECLAIM, '__GFP_RECLAIM'],
  [GFP_DIRECT_RECLAIM, '__GFP_DIRECT_RECLAIM'],
  [GFP_KSWAPD_RECLAIM, '__GFP_KSWAPD_RECLAIM'],
  [GFP_ZEROTAGS, '__GFP_ZEROTAGS'],
];
/** The text of %pGg. */
export function gfpNames(flags: number): string {
  let rest = flags;
  const names: string[] = [];
  for (const [mask, name] of NAMES) {
    if ((rest & mask) !== mask) continue;
    names.push(name);
    rest &= ~mask;
  }
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
  return names.length === 0 ? 'none' : names.join('|');
}
