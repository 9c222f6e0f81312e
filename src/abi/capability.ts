// Capability numbers (include/uapi/linux/capability.h).
export const CAP_SYS_MODULE = 16;
export const CAP_SYSLOG = 34;
