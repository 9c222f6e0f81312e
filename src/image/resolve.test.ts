import assert from 'node:assert/strict';
import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { builtInPackages } from './image.ts';
import { test } from 'node:test';
import { compareVersions, satisfies } from './debian_version.ts';
import { parsePackages, releaseEntry } from './packages_index.ts';
import { resolvePackages } from './resolve.ts';

// The order of versions is what `dpkg --compare-versions` answers for these pairs.
test('versions sort as dpkg sorts them', () => {
  const ordered = ['1.0~rc1', '1.0~rc1-1', '1.0', '1.0-0', '1.0-1', '1.0-1+b1', '1.0-1+deb13u1', '1.0a', '1.0+dfsg', '1.0.1', '1.2', '1.10', '1:0.1'];
  for (let i = 0; i < ordered.length; i++)
    for (let j = 0; j < ordered.length; j++) {
      const same = i === j || (ordered[i] === '1.0' && ordered[j] === '1.0-0') || (ordered[j] === '1.0' && ordered[i] === '1.0-0');
      assert.equal(Math.sign(compareVersions(ordered[i], ordered[j])), same ? 0 : Math.sign(i - j), `${ordered[i]} ${ordered[j]}`);
    }
  assert.ok(satisfies('2.41-12', '>=', '2.38'));
  assert.ok(!satisfies('2.41-12', '<<', '2.41-12'));
});

const INDEX = parsePackages(`Package: app
Version: 2.0-1
Depends: liba (>= 1.2), editor | pager, virt (= 3)
Filename: pool/main/a/app.deb
Size: 10
SHA256: aa

Package: liba
Version: 1.10-1
Depends: app-common
Filename: pool/main/l/liba.deb
Size: 11

Package: app-common
Version: 2.0-1
Depends: app (>= 2.0~)

Package: nano
Version: 8
Provides: editor

Package: less
Version: 7
Provides: pager

Package: real
Version: 1
Provides: virt (= 3)

Package: fake
Version: 1
Provides: virt

Package: core
Version: 1
Essential: yes
Pre-Depends: less
`);

test('dependencies: alternatives, virtual packages, cycles, essential packages', () => {
  const names = (wanted: string[], essential = false) => resolvePackages(INDEX, wanted, essential).map((p) => p.name);
  assert.deepEqual(names(['app']), ['app-common', 'liba', 'nano', 'real', 'app']);
  // An alternative that is in already is enough.
  assert.deepEqual(names(['app'], true), ['less', 'core', 'app-common', 'liba', 'real', 'app']);
  assert.throws(() => names(['ghost']), /no package ghost/);
});

test('what cannot be met is named', () => {
  const index = parsePackages('Package: x\nVersion: 1\nDepends: liba (>= 9)\n\nPackage: liba\nVersion: 1\n');
  assert.throws(() => resolvePackages(index, ['x'], false), /'liba \(>= 9\)', which x needs/);
});

test('InRelease names the size and hash of an index', () => {
  const text = 'Suite: s\nMD5Sum:\n 00 1 main/Packages.xz\nSHA256:\n abc 12 main/Packages\n def 7 main/Packages.xz\nEnd: x\n';
  assert.deepEqual(releaseEntry(text, 'main/Packages.xz'), { size: 7, sha256: 'def' });
  assert.equal(releaseEntry(text, 'other'), null);
});

test('image kdev has the headers of this very kernel, and all that they depend on but the kernel (M19)', () => {
  const names = builtInPackages('kdev')?.map((p) => `${p.name} ${p.version}`) ?? [];
  const base = UTS_RELEASE.replace(/-[^-]*$/, '');
  const version = `${base.replace(/\+.*/, '')}-1`;
  for (const name of [`linux-headers-${UTS_RELEASE}`, `linux-headers-${base}-common`, `linux-kbuild-${base}`]) assert.ok(names.includes(`${name} ${version}`), name);
  for (const name of ['gcc-14', 'make', 'kmod', 'pahole', 'libelf1t64', 'libdw1t64', 'libbpf1', 'linux-base']) assert.ok(names.some((n) => n.startsWith(`${name} `)), name);
  assert.ok(!names.some((n) => n.startsWith('linux-image')));
});
