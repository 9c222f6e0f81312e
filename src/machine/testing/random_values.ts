import type { Rng } from './rng.ts';

// Register contents for random programs: the ends of ranges, small numbers, patterns of each floating-point class, and noise.

const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000n,
  0x7fff_ffffn,
  0xffff_ffffn,
];
const DOUBLES: readonly bigint[] = [
  0n,
  0x8000_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x4009_21fb_5444_2d18n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0x0000_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x43e0_0000_0000_0000n,
  0xc1e0_0000_0020_0000n,
  0x3fe0_0000_0000_0000n,
];
const SINGLES: readonly number[] = [
  0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x4049_0fdb, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x007f_ffff, 0x0080_0000,
  0x7f7f_ffff, 0x4f00_0000, 0xcf00_0001, 0x3f00_0000,
];
const BOX = 0xffff_ffff_0000_0000n;

export function integerValue(rng: Rng): bigint {
  switch (rng.below(4)) {
    case 0:
      return rng.pick(INTEGERS);
    case 1:
      return BigInt.asUintN(64, BigInt(rng.below(512) - 256));
    case 2:
      return BigInt.asUintN(64, BigInt.asIntN(32, rng.u64()));
    default:
      return rng.u64();
  }
}
export function floatValue(rng: Rng): bigint {
  switch (rng.below(7)) {
    case 0:
      return rng.pick(DOUBLES);
    case 1:
      return BOX | BigInt(rng.pick(SINGLES));
    case 2:
      return rng.u64();
    case 3:
      return BOX | BigInt(rng.u32());
    case 4: // a double of moderate size
      return (rng.u64() & 0x800f_ffff_ffff_ffffn) | (BigInt(1000 + rng.below(50)) << 52n);
    case 5: // a single of moderate size
      return BOX | (BigInt((rng.u32() & 0x807f_ffff) | ((115 + rng.below(30)) << 23)) % (1n << 32n));
    default: // a double near the edges of single's range
      return (
        (rng.u64() & 0x800f_ffff_e000_0000n) |
        (BigInt(rng.pick([1023 - 150, 1023 - 127, 1023 + 127, 1023 + 63, 1023 + 31]) + rng.below(3)) << 52n)
      );
  }
}
