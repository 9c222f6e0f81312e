// ioctl SIOCETHTOOL (include/uapi/linux/ethtool.h, net_tstamp.h; ethtool(8)).
export const SIOCETHTOOL = 0x8946;
export const ETHTOOL_GLINK = 0x0a;
export const ETHTOOL_GET_TS_INFO = 0x41;
/** struct ethtool_ts_info. */
export const EthtoolTsInfo = { sizeof: 44, so_timestamping: 4, phc_index: 8 } as const;
/** SOF_TIMESTAMPING_TX_SOFTWARE, RX_SOFTWARE, SOFTWARE. */
export const SOF_SOFTWARE = 0x2 | 0x8 | 0x10;
