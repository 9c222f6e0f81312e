import { type DataExport, type FunctionExport, partial } from './module/export.ts';
import { imageObject } from './module/stubs.ts';

// Auditing (kernel/audit.c) is off, as it is in Debian until auditd switches it on; nothing can switch it on here. Callers look at audit_enabled first.

export const auditExports: readonly FunctionExport[] = [partial('__audit_log_nfcfg', 'auditing is off and cannot be switched on', () => undefined)];
export const auditDataExports: readonly DataExport[] = [{ name: 'audit_enabled', place: (k) => imageObject(k, 4, 4) }];
