import type { Kernel } from '../kernel.ts';
import { SYSCTL_ALIASES, WATCHDOG_WORDS } from './sysctl_words.ts';
import { splitCommandLine } from './cmdline.ts';

// Words of the kernel command line for parameters that others keep: module.parameter=value of what is built in (parse_args of kernel/params.c), and
// sysctl.name=value (do_sysctl_args of fs/proc/proc_sysctl.c). Parameters of modules that are loaded later are modprobe's business, which reads /proc/cmdline.

function words(k: Kernel): { name: string; value: string | null; text: string }[] {
  const all = splitCommandLine(k.commandLine);
  const end = all.indexOf('--');
  return (end < 0 ? all : all.slice(0, end)).map((text) => {
    const i = text.indexOf('=');
    return i < 0 ? { name: text, value: null, text } : { name: text.slice(0, i), value: text.slice(i + 1), text };
  });
}
const sameName = (a: string, b: string) => a.replaceAll('-', '_') === b.replaceAll('-', '_');

/** Parameters in /sys/module of what is built in. The kernel says which values are none; a name that nothing has may be of a module to come. */
export function builtinParamsInit(k: Kernel): void {
  for (const { name, value } of words(k)) {
    const dot = name.indexOf('.');
    if (dot <= 0) continue;
    const dir = [...k.sysfs.mkdirs('module').children.values()].find((d) => sameName(d.name, name.slice(0, dot)));
    const params = dir?.children.get('parameters');
    const node = [...(params?.children.values() ?? [])].find((n) => sameName(n.name, name.slice(dot + 1)));
    const r = node?.attr?.store?.(k, node, value ?? '1') ?? 0;
    if (r < 0) k.printk.log(3, `Booting kernel: \`${value ?? ''}' invalid for parameter \`${name}'`);
  }
}
/** sysctl.*, last of all, when every sysctl is there. */
export function sysctlParamsInit(k: Kernel): void {
  for (const { name, value, text } of words(k)) {
    const watchdog = WATCHDOG_WORDS[name];
    const path = /^sysctl[./](.+)$/.exec(name)?.[1].replaceAll('.', '/') ?? SYSCTL_ALIASES[name] ?? watchdog?.[0];
    if (path === undefined) continue;
    const said = `Failed to set sysctl parameter '${text.replace(/^sysctl[./]/, '')}'`;
    const set = watchdog?.[1] ?? value;
    const entry = k.procfs.find(`sys/${path}`);
    if (set === null || set === '') k.printk.log(3, `${said}: invalid value`);
    else if (entry === null || entry.store === null) k.printk.log(3, `${said}: parameter not found`);
    else if (entry.store(k, set, entry) < 0) k.printk.log(3, `${said}: invalid value`);
  }
}
