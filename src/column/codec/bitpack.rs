//! Bit-packing: numbers of `w` bits each, 0 to 64, without gaps.
//!
//! Numbers are packed in groups of 1,024. Within a group the *lane* is the least of 8, 16, 32 and 64 bits
//! that holds a number. A group is seen as lane-sized numbers in rows of 1,024 bits (128 bytes): number `i`
//! is in row `i * lane / 1024`, at column `i % (1024 / lane)`. Each column is then packed by itself: the
//! numbers of the column, row by row, least significant bit first, fill `w` packed rows of 1,024 bits,
//! of which each column has `lane` bits. So the same shift and mask apply to a whole row at once, the rows
//! come out in the order of the numbers, and any machine's vector registers fit. A group takes 128 * w bytes.
//!
//! The fewer than 1,024 numbers at the end are packed one after another, least significant bit first, in
//! little-endian bytes.

use crate::column::le::{Damage, Decoded, ensure};

/// Numbers in a group.
pub(crate) const GROUP: usize = 1024;
/// 64-bit words in a row.
const ROW: usize = 16;

/// A whole number as it lies in memory; signed ones are seen as unsigned of the same width.
pub(crate) trait Lane: bytemuck::Pod + Ord + Default + Send + Sync + 'static {
    /// Bytes.
    const WIDTH: usize;
    /// The low bits of a number.
    fn truncate(v: u64) -> Self;
    /// The low bits of a number.
    fn truncate_wide(v: u128) -> Self;
    /// The number.
    fn wide(self) -> u128;
    /// The low 64 bits.
    fn low(self) -> u64;
    /// Sum without the carry.
    fn plus(self, other: Self) -> Self;
    /// Difference without the borrow.
    fn minus(self, other: Self) -> Self;
    /// Product without the carry.
    fn times(self, other: Self) -> Self;
    /// Reads a little-endian number of `WIDTH` bytes.
    fn read(bytes: &[u8]) -> Self;
    /// The number read from memory in little-endian order.
    fn from_le(v: Self) -> Self;
}

/// Implements [`Lane`].
macro_rules! lane {
    ($($t:ty),*) => {$(
        impl Lane for $t {
            const WIDTH: usize = size_of::<$t>();
            #[inline(always)]
            fn truncate(v: u64) -> Self {
                v as $t
            }
            #[inline(always)]
            fn truncate_wide(v: u128) -> Self {
                v as $t
            }
            #[inline(always)]
            fn wide(self) -> u128 {
                self as u128
            }
            #[inline(always)]
            fn low(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$t>()];
                raw.copy_from_slice(bytes);
                Self::from_le_bytes(raw)
            }
            #[inline(always)]
            fn from_le(v: Self) -> Self {
                <$t>::from_le(v)
            }
        }
    )*};
}
lane!(u8, u16, u32, u64, u128);

/// The least number of bits that holds `v`.
pub(crate) fn bits_for(v: u64) -> usize {
    64 - v.leading_zeros() as usize
}

/// A number of `bits` ones.
#[inline(always)]
pub(crate) fn ones(bits: usize) -> u64 {
    if bits == 0 { 0 } else { u64::MAX >> (64 - bits) }
}

/// Bytes of `count` numbers of `bits` bits; for counts and widths within their bounds.
pub(crate) fn packed_len(count: usize, bits: usize) -> usize {
    count / GROUP * (128 * bits) + ((count % GROUP) * bits).div_ceil(8)
}

/// The bits of a lane for numbers of `bits` bits.
#[inline(always)]
fn lane_for(bits: usize) -> usize {
    bits.next_power_of_two().clamp(8, 64)
}

/// `pattern` in each lane of `lane` bits.
#[inline(always)]
fn broadcast(pattern: u64, lane: usize) -> u64 {
    (u64::MAX / ones(lane)).wrapping_mul(pattern)
}

/// Where the number of a row lies: the packed row, the shift in it, and how many of its bits are there. The
/// others are in the row that follows.
#[inline(always)]
fn place(row: usize, bits: usize, lane: usize) -> (usize, usize, usize) {
    let bit = row * bits;
    let shift = bit % lane;
    (bit / lane, shift, bits.min(lane - shift))
}

/// Unpacks a group into lanes, as words in little-endian order.
#[inline(always)]
fn unpack_group(packed: &[[u8; 8]], bits: usize, lane: usize, out: &mut [u64]) {
    let word = |row: usize, j: usize| u64::from_le_bytes(packed[row * ROW + j]);
    let packed = &packed[..bits * ROW];
    let _ = packed;
    for (r, out) in out.chunks_exact_mut(ROW).take(lane).enumerate() {
        let (at, shift, low) = place(r, bits, lane);
        let mask = broadcast(ones(low), lane);
        if low == bits {
            for (j, out) in out.iter_mut().enumerate() {
                *out = ((word(at, j) >> shift) & mask).to_le();
            }
        } else {
            let rest = broadcast(ones(bits - low) << low, lane);
            for (j, out) in out.iter_mut().enumerate() {
                *out = (((word(at, j) >> shift) & mask) | ((word(at + 1, j) << low) & rest)).to_le();
            }
        }
    }
}

/// Unpacks whole groups, whose lanes are `T`s that take `WORDS` words.
#[inline(always)]
fn unpack_groups<T: Lane, const WORDS: usize>(packed: &[u8], bits: usize, sink: &mut impl LaneSink) {
    let mut words = [0_u64; WORDS];
    for group in packed.chunks_exact(128 * bits) {
        unpack_group(group.as_chunks().0, bits, 8 * T::WIDTH, &mut words);
        sink.lanes::<T>(bytemuck::cast_slice(&words));
    }
}

/// Packs a group of lanes.
fn pack_group(lanes: &[u64; GROUP], bits: usize, lane: usize, out: &mut Vec<u8>) {
    let mut packed = [0_u64; GROUP];
    for (r, row) in lanes.chunks_exact(ROW).take(lane).enumerate() {
        let (at, shift, low) = place(r, bits, lane);
        let mask = broadcast(ones(low), lane);
        for (j, v) in row.iter().enumerate() {
            packed[at * ROW + j] |= (v & mask) << shift;
        }
        if low < bits {
            let rest = broadcast(ones(bits - low), lane);
            for (j, v) in row.iter().enumerate() {
                packed[(at + 1) * ROW + j] |= (v >> low) & rest;
            }
        }
    }
    for word in &packed[..bits * ROW] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Packs numbers, each less than `2^bits`.
pub(crate) fn pack(numbers: impl ExactSizeIterator<Item = u64>, bits: usize, out: &mut Vec<u8>) {
    if bits == 0 {
        return;
    }
    let lane = lane_for(bits);
    let per_word = 64 / lane;
    let (mut numbers, mut left) = (numbers.fuse(), 0);
    left += numbers.len();
    while left >= GROUP {
        let mut lanes = [0_u64; GROUP];
        for word in &mut lanes[..ROW * lane] {
            for k in 0..per_word {
                *word |= numbers.next().unwrap_or(0) << (k * lane);
            }
        }
        pack_group(&lanes, bits, lane, out);
        left -= GROUP;
    }
    let (mut acc, mut filled) = (0_u128, 0);
    for v in numbers {
        acc |= u128::from(v) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(acc as u8);
            acc >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(acc as u8);
    }
}

/// Packed numbers at rest.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    bytes: &'a [u8],
    count: usize,
    bits: usize,
}

impl<'a> Packed<'a> {
    /// `count` numbers of `bits` bits, which fill `bytes` exactly.
    pub(crate) fn new(bytes: &'a [u8], count: usize, bits: usize) -> Decoded<Self> {
        ensure(bits <= 64, "packed values are too wide")?;
        // A count is bounded by the rows of a chunk, so this cannot overflow 64 bits.
        let len = (count / GROUP)
            .checked_mul(128 * bits)
            .and_then(|n| n.checked_add((count % GROUP * bits).div_ceil(8)));
        let len = len.ok_or(Damage::new("too many packed values"))?;
        ensure(len == bytes.len(), "packed values of the wrong length")?;
        Ok(Self { bytes, count, bits })
    }

    /// Calls `sink` with the numbers of each group and of the rest at the end, as lanes.
    #[inline(always)]
    pub(crate) fn for_each_run(&self, mut sink: impl LaneSink) {
        let (groups, bits) = (self.count / GROUP, self.bits);
        if bits == 0 {
            let zeros = [0_u8; GROUP];
            for start in (0..self.count).step_by(GROUP) {
                sink.lanes(&zeros[..GROUP.min(self.count - start)]);
            }
            return;
        }
        let (packed, tail) = self.bytes.split_at(groups * 128 * bits);
        match lane_for(bits) {
            8 => unpack_groups::<u8, { 8 * ROW }>(packed, bits, &mut sink),
            16 => unpack_groups::<u16, { 16 * ROW }>(packed, bits, &mut sink),
            32 => unpack_groups::<u32, { 32 * ROW }>(packed, bits, &mut sink),
            _ => unpack_groups::<u64, { 64 * ROW }>(packed, bits, &mut sink),
        }
        let rest = self.count % GROUP;
        if rest > 0 {
            let mut words = [0_u64; GROUP];
            unpack_tail(tail, bits, &mut words[..rest]);
            sink.lanes::<u64>(&words[..rest]);
        }
    }

    /// Calls `sink` with the number of each of `rows`.
    #[inline]
    pub(crate) fn for_each_of(&self, rows: &[u16], sink: impl FnMut(u64)) {
        if let Some(row) = rows.iter().find(|row| usize::from(**row) >= self.count) {
            panic!("number {row} of {}", self.count);
        }
        match self.bits {
            0 => rows.iter().map(|_| 0).for_each(sink),
            1..=8 => rows.iter().map(|row| self.number::<u8>(*row)).for_each(sink),
            9..=16 => rows.iter().map(|row| self.number::<u16>(*row)).for_each(sink),
            17..=32 => rows.iter().map(|row| self.number::<u32>(*row)).for_each(sink),
            _ => rows.iter().map(|row| self.number::<u64>(*row)).for_each(sink),
        }
    }

    /// Number `index`, whose lane is a `T`.
    #[inline(always)]
    fn number<T: Lane>(&self, index: u16) -> u64 {
        let (index, bits, lane) = (usize::from(index), self.bits, T::WIDTH * 8);
        let (group, i) = (index / GROUP, index % GROUP);
        let bytes = &self.bytes[group * 128 * bits..];
        if group == self.count / GROUP {
            return tail_number(bytes, i, bits);
        }
        let columns = GROUP / lane;
        let (row, column) = (i / columns, i % columns);
        let (at, shift, low) = place(row, bits, lane);
        let word = |row: usize| T::read(&bytes[row * 128 + column * T::WIDTH..][..T::WIDTH]).low();
        let mut v = word(at) >> shift;
        if low < bits {
            v |= word(at + 1) << low;
        }
        v & ones(bits)
    }
}

/// Takes unpacked numbers, in order.
pub(crate) trait LaneSink {
    /// Takes some numbers. On a machine that is not little-endian they must go through [`Lane::from_le`].
    fn lanes<T: Lane>(&mut self, lanes: &[T]);
}

/// Unpacks numbers that are packed one after another, as words in little-endian order.
#[inline]
fn unpack_tail(bytes: &[u8], bits: usize, out: &mut [u64]) {
    // So many numbers are in the eight bytes from that in which the first of them begins.
    match bits {
        0..=8 => unpack_together::<8>(bytes, bits, out),
        9..=15 => unpack_together::<4>(bytes, bits, out),
        16..=29 => unpack_together::<2>(bytes, bits, out),
        30..=57 => unpack_together::<1>(bytes, bits, out),
        _ => unpack_wide(bytes, bits, out),
    }
}

/// Unpacks numbers that may begin in one word and end in the next but one: with their first bits they are in 16 bytes.
#[inline]
fn unpack_wide(bytes: &[u8], bits: usize, out: &mut [u64]) {
    const WINDOW: usize = 16;
    // Of so many, all bytes of the window are there.
    let whole = bytes.len().checked_sub(WINDOW).map_or(0, |last| (last * 8 + 7) / bits + 1);
    let (fast, slow) = out.split_at_mut(whole.min(out.len()));
    for (i, word) in fast.iter_mut().enumerate() {
        let bit = i * bits;
        let mut raw = [0; WINDOW];
        raw.copy_from_slice(&bytes[bit / 8..bit / 8 + WINDOW]);
        *word = ((u128::from_le_bytes(raw) >> (bit % 8)) as u64 & ones(bits)).to_le();
    }
    for (i, word) in slow.iter_mut().enumerate() {
        *word = tail_number(bytes, fast.len() + i, bits).to_le();
    }
}

/// Unpacks `N` numbers from each eight bytes.
#[inline]
fn unpack_together<const N: usize>(bytes: &[u8], bits: usize, out: &mut [u64]) {
    let (groups, rest) = out.as_chunks_mut::<N>();
    // Of so many, eight bytes are there.
    let whole = (bytes.len() * 8 / (N * bits)).saturating_sub(64_usize.div_ceil(N * bits) - 1);
    let (fast, slow) = groups.split_at_mut(whole.min(groups.len()));
    let mut bit = 0;
    for group in fast {
        let mut raw = [0; 8];
        raw.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
        unpack_word(u64::from_le_bytes(raw) >> (bit % 8), bits, group);
        bit += N * bits;
    }
    let last = |bit: usize| {
        let (bytes, mut raw) = (&bytes[bit / 8..], [0; 8]);
        let len = bytes.len().min(8);
        raw[..len].copy_from_slice(&bytes[..len]);
        u64::from_le_bytes(raw) >> (bit % 8)
    };
    for group in slow {
        unpack_word(last(bit), bits, group);
        bit += N * bits;
    }
    if !rest.is_empty() {
        let mut numbers = [0; N];
        unpack_word(last(bit), bits, &mut numbers);
        rest.copy_from_slice(&numbers[..rest.len()]);
    }
}

/// Takes a word apart.
#[inline(always)]
fn unpack_word<const N: usize>(mut word: u64, bits: usize, out: &mut [u64; N]) {
    for number in out {
        *number = (word & ones(bits)).to_le();
        word = word.unbounded_shr(bits as u32);
    }
}

/// Number `i` of those that are packed one after another.
#[inline]
fn tail_number(bytes: &[u8], i: usize, bits: usize) -> u64 {
    let bit = i * bits;
    let bytes = &bytes[bit / 8..];
    if let (Some(word), true) = (bytes.first_chunk(), bits <= 57) {
        return (u64::from_le_bytes(*word) >> (bit % 8)) & ones(bits);
    }
    let mut raw = [0; 16];
    let len = bytes.len().min(9);
    raw[..len].copy_from_slice(&bytes[..len]);
    ((u128::from_le_bytes(raw) >> (bit % 8)) as u64) & ones(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Collect(Vec<u64>);

    impl LaneSink for Collect {
        fn lanes<T: Lane>(&mut self, lanes: &[T]) {
            self.0.extend(lanes.iter().map(|v| T::from_le(*v).low()));
        }
    }

    #[test]
    fn every_width_and_length() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state ^ (state >> 29)
        };
        for bits in 0..=64 {
            for count in [0, 1, 7, 60, 61, 62, 63, 64, 100, 500, 1023, 1024, 1025, 2048, 3000] {
                let numbers: Vec<u64> = (0..count).map(|_| random() & ones(bits)).collect();
                let mut bytes = vec![];
                pack(numbers.iter().copied(), bits, &mut bytes);
                assert_eq!(bytes.len(), packed_len(count, bits));
                let packed = Packed::new(&bytes, count, bits).unwrap();
                let mut out = Collect(vec![]);
                packed.for_each_run(&mut out);
                assert_eq!(out.0, numbers, "{bits} bits, {count} numbers");
                let rows: Vec<u16> = (0..count as u16).rev().collect();
                let mut of_rows = vec![];
                packed.for_each_of(&rows, |v| of_rows.push(v));
                of_rows.reverse();
                assert_eq!(of_rows, numbers, "{bits} bits, {count} numbers");
            }
        }
        assert!(Packed::new(&[0; 9], 8, 8).is_err());
        assert!(Packed::new(&[0; 9], 8, 65).is_err());
    }

    impl LaneSink for &mut Collect {
        fn lanes<T: Lane>(&mut self, lanes: &[T]) {
            (**self).lanes(lanes);
        }
    }
}
