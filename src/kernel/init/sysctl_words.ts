// Words of the kernel command line that stand for sysctls.

/** Old words for sysctls (sysctl_aliases), and those of kernel/watchdog.c with what they set. */
export const SYSCTL_ALIASES: Readonly<Record<string, string>> = {
  hardlockup_all_cpu_backtrace: 'kernel/hardlockup_all_cpu_backtrace',
  hung_task_panic: 'kernel/hung_task_panic',
  numa_zonelist_order: 'vm/numa_zonelist_order',
  softlockup_all_cpu_backtrace: 'kernel/softlockup_all_cpu_backtrace',
  softlockup_panic: 'kernel/softlockup_panic',
};
export const WATCHDOG_WORDS: Readonly<Record<string, readonly [path: string, value: string | null]>> = {
  nowatchdog: ['kernel/watchdog', '0'],
  nosoftlockup: ['kernel/soft_watchdog', '0'],
  watchdog_thresh: ['kernel/watchdog_thresh', null],
};
/** Names that are acted on here, for whoever sorts out the unknown ones. */
export const BOOT_PARAMETERS: readonly string[] = [...Object.keys(SYSCTL_ALIASES), ...Object.keys(WATCHDOG_WORDS)];
