// Follows the newest frame of a ring from C#. Not compiled or run by this project's tests: there is
// no .NET on its machines; a test only holds the offsets below to the table of the layout.
//
//   dotnet run -- NAME [FRAMES]      (a console project with <AllowUnsafeBlocks>true</...>)
//
// Prints for each frame its sequence, its age in ms and the sum of its bytes. It opens the ring
// read-only and looks every millisecond; docs/ring-layout.md says what is done and why.
using System;
using System.Diagnostics;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Threading;

internal static unsafe class Reader
{
    private const ulong Magic = 0x31474E4952415941; // "AYARING1"
    private const int HeaderMagic = 0x000; // header.magic
    private const int HeaderMajor = 0x008; // header.major
    private const int HeaderSlotCount = 0x018; // header.slot_count
    private const int HeaderSlotTable = 0x020; // header.slot_table
    private const int HeaderPayloadOffset = 0x028; // header.payload_offset
    private const int HeaderPayloadStride = 0x030; // header.payload_stride
    private const int HeaderPayloadCapacity = 0x038; // header.payload_capacity
    private const int HeaderHead = 0x080; // header.head
    private const int HeaderState = 0x0D8; // header.state
    private const int SlotLock = 0x00; // slot.lock
    private const int SlotPayloadBytes = 0x18; // slot.payload_bytes
    private const int SlotPublished = 0x28; // slot.published_ns
    private const int SlotHeaderBytes = 512;
    private const ulong Ended = 2;

    private static ulong Load(byte* at) => Volatile.Read(ref *(ulong*)at);

    private static long NowNs() =>
        (long)((Int128)Stopwatch.GetTimestamp() * 1_000_000_000 / Stopwatch.Frequency);

    private static MemoryMappedFile Open(string name)
    {
        if (OperatingSystem.IsWindows())
            return MemoryMappedFile.OpenExisting(name, MemoryMappedFileRights.Read);
        var file = new FileStream($"/dev/shm/{name}", FileMode.Open, FileAccess.Read,
            FileShare.ReadWrite | FileShare.Delete);
        return MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read,
            HandleInheritability.None, leaveOpen: false);
    }

    private static int Main(string[] arguments)
    {
        if (arguments.Length < 1)
        {
            Console.Error.WriteLine("usage: Reader NAME [FRAMES]");
            return 2;
        }
        int frames = arguments.Length > 1 ? int.Parse(arguments[1]) : 60;
        using var map = Open(arguments[0]);
        using var view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* ring = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref ring);
        try
        {
            return Follow(ring, view.Capacity, frames);
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    private static int Follow(byte* ring, long length, int frames)
    {
        if (length < 4096 || Load(ring + HeaderMagic) != Magic || *(ushort*)(ring + HeaderMajor) != 1)
            throw new InvalidDataException("no ring of layout 1");
        long slots = *(uint*)(ring + HeaderSlotCount);
        long table = *(long*)(ring + HeaderSlotTable);
        long start = *(long*)(ring + HeaderPayloadOffset);
        long stride = *(long*)(ring + HeaderPayloadStride);
        long capacity = *(long*)(ring + HeaderPayloadCapacity);
        if (slots is < 3 or > 64 || table < 4096 || start < table + slots * SlotHeaderBytes
            || capacity is < 1 or > int.MaxValue || stride < capacity
            || stride > length || start > length - slots * stride)
            throw new InvalidDataException("the header of the ring is damaged");
        var copy = new byte[capacity];
        ulong seen = 0;
        for (int done = 0; done < frames;)
        {
            ulong head = Load(ring + HeaderHead);
            if (head == seen)
            {
                if (Load(ring + HeaderState) == Ended) break;
                Thread.Sleep(1);
                continue;
            }
            seen = head;
            long slot = (long)(head & 0xFF);
            if (slot >= slots) throw new InvalidDataException("the ring is damaged");
            byte* place = ring + table + slot * SlotHeaderBytes;
            long bytes = *(long*)(place + SlotPayloadBytes);
            double age = (NowNs() - *(long*)(place + SlotPublished)) / 1e6;
            if (bytes < 0 || bytes > capacity) continue; // taken again already
            new ReadOnlySpan<byte>(ring + start + slot * stride, (int)bytes).CopyTo(copy);
            // The frame is ours only if its slot still holds it now.
            Thread.MemoryBarrier();
            if (Load(place + SlotLock) != (head >> 8) << 1) continue;
            long sum = 0;
            foreach (byte value in copy.AsSpan(0, (int)bytes)) sum += value;
            Console.WriteLine($"{head >> 8} {age:F3} {sum}");
            done++;
        }
        return 0;
    }
}
