/** Counters of the protocols (include/uapi/linux/snmp.h), by the names that /proc/net prints with their group in front. */
export class Mib {
  private readonly counters = new Map<string, number>();
  count(name: string, n = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + n);
  }
  get(name: string): number {
    return this.counters.get(name) ?? 0;
  }
  names(prefix: string): string[] {
    return [...this.counters.keys()].filter((n) => n.startsWith(prefix)).sort();
  }
}
