import { showMeminfo } from '../fs/proc/meminfo.ts';
import type { KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { showNodeVmstat, statValue } from './vmstat_proc.ts';

// /sys/devices/system/node/node0: the one node has all the memory, so what it says is what /proc says (drivers/base/node.c).

const NODE_MEMINFO = `
SwapCached Active Inactive Active(anon) Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked Dirty Writeback FilePages Mapped AnonPages Shmem
KernelStack PageTables SecPageTables NFS_Unstable Bounce WritebackTmp KReclaimable Slab SReclaimable SUnreclaim AnonHugePages ShmemHugePages
ShmemPmdMapped FileHugePages FilePmdMapped
`
  .trim()
  .split(/\s+/);

export function nodeSysfsInit(k: Kernel, node0: KernfsNode): void {
  k.sysfs.createFile(node0, 'meminfo', 0o444, { show: nodeMeminfo });
  k.sysfs.createFile(node0, 'numastat', 0o444, { show: numastat });
  k.sysfs.createFile(node0, 'vmstat', 0o444, { show: showNodeVmstat });
}
function nodeMeminfo(k: Kernel): string {
  const kb = new Map<string, number>();
  for (const [, name, n] of showMeminfo(k).matchAll(/^(\S+): +(\d+)/gm)) kb.set(name, Number(n));
  const of = (name: string) => kb.get(name === 'FilePages' ? 'Cached' : name) ?? 0;
  const line = (name: string, n: number) => `Node 0 ${`${name}:`.padEnd(15)} ${String(n).padStart(8)} kB\n`;
  let out = line('MemTotal', of('MemTotal')) + line('MemFree', of('MemFree')) + line('MemUsed', of('MemTotal') - of('MemFree'));
  for (const name of NODE_MEMINFO) out += line(name, of(name));
  for (const name of ['Total', 'Free', 'Surp']) out += `Node 0 HugePages_${name}: ${String(of(`HugePages_${name}`)).padStart(5)}\n`;
  return out;
}
function numastat(k: Kernel): string {
  const hit = statValue(k, 'numa_hit');
  return `numa_hit ${hit}\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node ${hit}\nother_node 0\n`;
}
