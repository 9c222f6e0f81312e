/** Debian 13 (trixie) packages, pinned: what images and module builds are made of. Verified by SHA-256 whatever mirror serves them. */
export interface Pin {
  readonly name: string;
  readonly version: string;
  /** Below the mirror's root. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

const pin = (name: string, version: string, size: number, path: string, sha256: string): Pin => ({
  name,
  version,
  size,
  path: `pool/main/${path}`,
  sha256,
});

export const PINS: readonly Pin[] = [
  pin(
    'busybox-static',
    '1:1.37.0-6+b9',
    941532,
    'b/busybox/busybox-static_1.37.0-6+b9_riscv64.deb',
    '4add476d2b185c5b487c285b38d790f0881a7e4a8e2ddde835f917e770eb8633',
  ),
  pin(
    'linux-headers-6.12.107+deb13-common',
    '6.12.107-1',
    11214736,
    'l/linux/linux-headers-6.12.107+deb13-common_6.12.107-1_all.deb',
    '12dc292d7c238928fbcb7eebbe79208758fe263a4e2ea0e9b6734e6df12020a5',
  ),
  pin(
    'linux-headers-6.12.107+deb13-riscv64',
    '6.12.107-1',
    2880864,
    'l/linux/linux-headers-6.12.107+deb13-riscv64_6.12.107-1_riscv64.deb',
    'aac824a77f6e91407f5fe0b592a491b026ec7fe4cbb4c053a2f9afeed3981445',
  ),
  pin(
    'linux-kbuild-6.12.107+deb13',
    '6.12.107-1',
    1804276,
    'l/linux/linux-kbuild-6.12.107+deb13_6.12.107-1_riscv64.deb',
    'ad015879d97c4a0589a5dab852b96cc33499e87e3cdf1c440202b8f8ef9f6843',
  ),
  pin(
    'linux-base',
    '4.12.1',
    25544,
    'l/linux-base/linux-base_4.12.1_all.deb',
    'd86e703aff81f404f2104af9411fd2acbae5fdb65f9264e488bb276a77a562be',
  ),
  pin(
    'pahole',
    '1.30-1',
    261980,
    'd/dwarves/pahole_1.30-1_riscv64.deb',
    'ac0f87bf1e3e2d2c83c70359aee70d31e69e95a9c757ac804080787c59cc0ec3',
  ),
  pin(
    'libc6',
    '2.41-12+deb13u4',
    2470128,
    'g/glibc/libc6_2.41-12+deb13u4_riscv64.deb',
    '77f0da760da3eab6318917857669ec23556b4e1ee489218cb966884a11b0d967',
  ),
  pin(
    'libgcc-s1',
    '14.2.0-19',
    56788,
    'g/gcc-14/libgcc-s1_14.2.0-19_riscv64.deb',
    '16d3f9f534028615413d23f649e5d246baef48fe7db739ad564ef8b9a6e5587c',
  ),
  pin(
    'bash',
    '5.2.37-2+b10',
    1505644,
    'b/bash/bash_5.2.37-2+b10_riscv64.deb',
    '78b98784fea9e30fa1310aab8aef3784ee5a5f283293abc42fed9c50458acf6f',
  ),
  pin(
    'coreutils',
    '9.7-3',
    3036184,
    'c/coreutils/coreutils_9.7-3_riscv64.deb',
    '47b00d78d09c7921296f1b849cd04e5cdda7fd948abf17d8659efb906ac386d7',
  ),
  pin(
    'libtinfo6',
    '6.5+20250216-2',
    347128,
    'n/ncurses/libtinfo6_6.5+20250216-2_riscv64.deb',
    '9b902c0d5a1561c2e721fb90128281c9957ae6e37817acba2547aba91ff104ea',
  ),
  pin(
    'libacl1',
    '2.3.2-2+b1',
    32872,
    'a/acl/libacl1_2.3.2-2+b1_riscv64.deb',
    '9929497fdd0f08bb76b49d059005c327619447cefd46bea167a8e2944979a93f',
  ),
  pin(
    'libattr1',
    '1:2.5.2-3',
    22884,
    'a/attr/libattr1_2.5.2-3_riscv64.deb',
    '7780428a9d05d8d5659a632b90d52d1efe2cd79dd61300a744c342a53428afd5',
  ),
  pin(
    'libcap2',
    '1:2.75-10+deb13u1+b3',
    29544,
    'libc/libcap2/libcap2_2.75-10+deb13u1+b3_riscv64.deb',
    'ef9e04266f4e9302f17e9acc0ce8cd4cad50d05539b8e64a4019a03e3f776699',
  ),
  pin(
    'libgmp10',
    '2:6.3.0+dfsg-3',
    557844,
    'g/gmp/libgmp10_6.3.0+dfsg-3_riscv64.deb',
    'f09a7beea39293dc5047af3750d8359c9fe4fd9f35195e7bba5048e5a66b58d8',
  ),
  pin(
    'libselinux1',
    '3.8.1-1',
    88072,
    'libs/libselinux/libselinux1_3.8.1-1_riscv64.deb',
    '2d52c10ffed1597ec5a3dee58167f1f482fcb1b36aa9f9a79a1b0fe23a4bf470',
  ),
  pin(
    'libssl3t64',
    '3.5.7-1~deb13u2',
    2235764,
    'o/openssl/libssl3t64_3.5.7-1~deb13u2_riscv64.deb',
    'af87d01b79d4ff71e7d46a53341cbb480a4a72b58679d50bc8dff392ceaef154',
  ),
  pin(
    'libpcre2-8-0',
    '10.46-1~deb13u2',
    300728,
    'p/pcre2/libpcre2-8-0_10.46-1~deb13u2_riscv64.deb',
    '4c88d7f0b71ca696779681536e55b13761f3860e9add9b274c6f1329b2e28f10',
  ),
  pin(
    'libsystemd0',
    '257.13-1~deb13u1',
    470844,
    's/systemd/libsystemd0_257.13-1~deb13u1_riscv64.deb',
    '2bd0bcb8e0e2d6996ede77fdb39893de9f8acaeb79d6701b2890a1a50fab644c',
  ),
  pin(
    'zlib1g',
    '1:1.3.dfsg+really1.3.1-1+b1',
    85664,
    'z/zlib/zlib1g_1.3.dfsg+really1.3.1-1+b1_riscv64.deb',
    '38c52eef58e5fc9b13d93f8a7d0a0549c32b4f00402a778d39a135254f554314',
  ),
  pin(
    'libzstd1',
    '1.5.7+dfsg-1',
    360352,
    'libz/libzstd/libzstd1_1.5.7+dfsg-1_riscv64.deb',
    '5967f5f97bfb6e7a8036d4e615c0ecd6861a9bb686bd60ee0c81422581faf0ad',
  ),
];

/** @throws Error when nothing of that name is pinned. */
export function pinned(name: string): Pin {
  const found = PINS.find((p) => p.name === name);
  if (found === undefined) throw new Error(`package ${name} is not pinned (known: ${PINS.map((p) => p.name).join(', ')})`);
  return found;
}
