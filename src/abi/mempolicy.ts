// NUMA policies (uapi/linux/mempolicy.h).

export const MPOL_DEFAULT = 0;
export const MPOL_F_NODE = 1;
export const MPOL_F_ADDR = 2;
export const MPOL_F_MEMS_ALLOWED = 4;
