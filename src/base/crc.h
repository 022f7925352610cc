/* CRC-32C (Castagnoli), as iSCSI, ext4 and Btrfs have it: finds damage, hides nothing from an enemy. */
#ifndef ENG_BASE_CRC_H
#define ENG_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those with the checksum `crc`; 0 at the beginning. */
uint32_t eng_crc32c(uint32_t crc, const void *data, size_t len);

#endif
