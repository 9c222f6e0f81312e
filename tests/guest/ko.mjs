// A module for the oracle, without kbuild: from one C file to a .ko that real Linux loads. For the scripts that record fixtures; needs
// riscv64-linux-gnu-gcc, and a directory where Debian's packages linux-headers-VERSION-common and -riscv64 are unpacked.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Builds `source` in `dir` as module x; the path of x.ko and the release it is for. */
export function buildModule(headers, source, dir) {
  const src = join(headers, 'usr/src');
  const common = join(
    src,
    readdirSync(src).find((d) => d.endsWith('-common')),
  );
  const build = join(
    src,
    readdirSync(src).find((d) => d.endsWith('-riscv64')),
  );
  writeFileSync(join(dir, 'x.c'), source);
  const crc = new Map(
    readFileSync(join(build, 'Module.symvers'), 'utf8')
      .split('\n')
      .map((l) => l.split('\t'))
      .map(([c, s]) => [s, c]),
  );
  const i = (base, p) => ['-I', join(base, p)];
  const flags = [
    '-nostdinc',
    ...i(common, 'arch/riscv/include'),
    ...i(build, 'arch/riscv/include/generated'),
    ...i(common, 'include'),
    ...i(build, 'include'),
    ...i(common, 'arch/riscv/include/uapi'),
    ...i(build, 'arch/riscv/include/generated/uapi'),
    ...i(common, 'include/uapi'),
    ...i(build, 'include/generated/uapi'),
    '-include',
    join(common, 'include/linux/compiler-version.h'),
    '-include',
    join(common, 'include/linux/kconfig.h'),
    '-include',
    join(common, 'include/linux/compiler_types.h'),
    '-D__KERNEL__',
    '-DMODULE',
    '-DCC_USING_PATCHABLE_FUNCTION_ENTRY',
    '-DCONFIG_PAGE_OFFSET=0xff60000000000000',
    '-DKBUILD_BASENAME="x"',
    '-DKBUILD_MODNAME="x"',
    '-D__KBUILD_MODNAME=kmod_x',
    ...'-std=gnu11 -fshort-wchar -funsigned-char -fno-common -fno-PIE -fno-strict-aliasing -mabi=lp64 -march=rv64imac_zicsr_zifencei -mno-save-restore -mcmodel=medany -mno-relax -mno-riscv-attribute -mstrict-align -O1 -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables -fno-stack-protector -fno-builtin -fpatchable-function-entry=4 -w'.split(
      ' ',
    ),
  ];
  const cc = (input, output) => execFileSync('riscv64-linux-gnu-gcc', [...flags, '-c', input, '-o', output], { stdio: 'inherit' });
  cc(join(dir, 'x.c'), join(dir, 'x.o'));
  const undef = execFileSync('riscv64-linux-gnu-nm', ['-u', join(dir, 'x.o')], { encoding: 'utf8' })
    .split('\n')
    .map((l) => l.trim().split(' ')[1])
    .filter(Boolean);
  writeFileSync(
    join(dir, 'x.mod.c'),
    `#include <linux/module.h>
  #include <linux/export-internal.h>
  #include <linux/compiler.h>
  #define INCLUDE_VERMAGIC
  #include <linux/vermagic.h>
  MODULE_INFO(vermagic, VERMAGIC_STRING);
  MODULE_INFO(name, KBUILD_MODNAME);
  __visible struct module __this_module __section(".gnu.linkonce.this_module") = { .name = KBUILD_MODNAME, .init = init_module, .exit = cleanup_module, .arch = MODULE_ARCH_INIT };
  static const struct modversion_info ____versions[] __used __section("__versions") = { ${[...undef, 'module_layout'].map((s) => `{ ${crc.get(s)}, "${s}" }`).join(', ')} };
  MODULE_INFO(depends, "");
  `,
  );
  cc(join(dir, 'x.mod.c'), join(dir, 'x.mod.o'));
  execFileSync(
    'riscv64-linux-gnu-ld',
    [
      '-r',
      '-melf64lriscv',
      '-z',
      'noexecstack',
      '--build-id=sha1',
      '-T',
      join(build, 'arch/riscv/module.lds'),
      '-o',
      join(dir, 'x.ko'),
      join(dir, 'x.o'),
      join(dir, 'x.mod.o'),
    ],
    { stdio: 'inherit' },
  );
  return { ko: join(dir, 'x.ko'), release: /linux-headers-(.*)$/.exec(build)[1] };
}
/** A C string literal of a byte string. */
export const cString = (text) => `"${[...text].map((c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`).join('')}"`;
