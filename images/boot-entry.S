# 32 bit entry in front of an UNCOMPRESSED kernel: what is left of Debian's decompressor when there is nothing to unpack.
# Entered by the Linux/x86 32 bit boot protocol (paging off, esi = boot parameters) at 16 MiB - 32 KiB, with the kernel
# at 16 MiB. Enters long mode on identity page tables (first 4 GiB, 2 MiB pages) and jumps to the kernel's startup_64.
#
#   as --32 -o entry.o boot-entry.S && ld -m elf_i386 -Ttext 0xff8000 --oformat binary -o entry.bin entry.o
# The result is embedded in boot-code.ts; boot.ts pads it to 32 KiB, so the tables' room is zero.
.set HERE, 0xff8000
.set KERNEL, 0x1000000
.set TABLES, HERE + 0x1000

.code32
.globl _start
_start:
	cli
	cld
	mov	$TABLES, %edi
	movl	$(TABLES + 0x1007), (%edi)
	add	$0x1000, %edi
	mov	$(TABLES + 0x2007), %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$0x1000, %eax
	add	$8, %edi
	loop	1b
	mov	$(TABLES + 0x2000), %edi
	mov	$0x83, %eax
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	2b
	mov	%cr4, %eax
	or	$0x20, %eax		# PAE
	mov	%eax, %cr4
	mov	$TABLES, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	# EFER.LME
	rdmsr
	or	$0x100, %eax
	wrmsr
	lgdt	table
	mov	%cr0, %eax
	or	$0x80000001, %eax
	mov	%eax, %cr0
	ljmp	$0x10, $long
.code64
long:	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$KERNEL, %eax
	jmp	*%rax
	.balign 8
gdt:	.quad	0, 0
	.quad	0x00af9a000000ffff, 0x00cf92000000ffff
table:	.word	31
	.long	gdt
