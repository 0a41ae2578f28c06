// Lets the host compiler take the kernels: the threads of a block are fibres of one thread of the host, which run from
// barrier to barrier.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstring>

#define __global__
#define __device__
#define __shared__ static

struct Index {
    unsigned int x, y, z;
};
extern Index threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();

inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
