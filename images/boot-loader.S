# Boot loader of our images: the 440 bytes of code in the first sector of the disk, for SeaBIOS.
#
# A general boot loader copies the kernel several times, in small pieces; under TCG that is a third of the boot. This one
# reads the boot partition (laid out by boot.ts so that nothing has to be decided here) in runs of 256 KiB through the
# BIOS and copies each run once, to where the kernel wants it.
#
#   as --32 -o loader.o boot-loader.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o loader.bin loader.o
# The result is embedded in boot-code.ts; test/images/boot.test.ts assembles it again where `as` exists.
#
# Memory: 0x10000 setup code and kernel arguments (60 KiB), 0x20000 the run just read (256 KiB).
.set SETUP_SECTORS, 120
.set RUN_SECTORS, 128

.code16
.globl _start
_start:
	jmp	go
	.balign 4
sectors:	.long 0			# of initramfs and kernel; set by boot.ts
address:	.long 0			# where they go; set by boot.ts
packet:					# of INT 13h AH=42h
	.byte	16, 0
count:	.word	SETUP_SECTORS
buffer:	.long	0x10000000		# segment 0x1000
sector:	.quad	0			# first sector of the boot partition; set by boot.ts

go:	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	ljmp	$0, $1f
1:	sti
	cld
	in	$0x92, %al		# address line 20 on: memory above 1 MiB
	or	$2, %al
	out	%al, $0x92

	call	read
	addl	$SETUP_SECTORS, sector
	movl	$0x20000000, buffer

next:	mov	sectors, %eax
	test	%eax, %eax
	jz	start
	cmp	$RUN_SECTORS, %eax
	jbe	2f
	mov	$RUN_SECTORS, %eax
2:	mov	%ax, count
	sub	%eax, sectors
	call	read
	movzwl	count, %ecx
	add	%ecx, sector
	shl	$7, %ecx		# 128 words of 4 bytes each
	mov	$0x20000, %esi
	mov	address, %edi
	cli				# protected mode just for the copy
	lgdt	table
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	$8, %bx
	mov	%bx, %ds
	mov	%bx, %es
	addr32 rep movsl
	and	$0xfe, %al
	mov	%eax, %cr0
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	sti
	mov	%edi, address
	jmp	next

start:	cli				# as Documentation/arch/x86/boot.rst asks
	mov	$0x1000, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%ax, %ss
	mov	$0xe000, %sp
	ljmp	$0x1020, $0

read:	mov	$0x42, %ah
	mov	$packet, %si
	int	$0x13
	jc	failed
	ret

failed:	mov	$text, %si
3:	lodsb
	test	%al, %al
	jz	4f
	mov	$0x0e, %ah
	mov	$7, %bx
	int	$0x10
	jmp	3b
4:	hlt
	jmp	4b

text:	.asciz	"HDCS: the boot disk cannot be read\r\n"
	.balign 4
table:	.word	15			# the table of segments holds itself in its unused first entry
	.long	table
	.word	0
	.quad	0x00cf92000000ffff
