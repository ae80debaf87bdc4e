# A guest of one sector: 1 shows coloured text that scrolls, 2 a gradient and noise (320x200, 256 colours), 3 a picture of
# 800x600 in 32 bits; every other key is written. Made into test/spice/guest.ts by:
#   as --32 guest.s -o guest.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary guest.o -o guest.bin && base64 guest.bin
.code16
.globl _start
_start:
    xorw %ax,%ax
    movw %ax,%ds
    cld
text:
    movw $0x0003,%ax
    int $0x10
    jmp wait
wait:
    xorw %ax,%ax
    int $0x16
    cmpb $'1',%al
    je colours
    cmpb $'2',%al
    je noise
    cmpb $'3',%al
    je vbe
    movb $0x0e,%ah
    xorw %bx,%bx
    int $0x10
    jmp wait
colours:
    movw $0x0003,%ax
    int $0x10
    movw $3000,%di
1:  movw %di,%ax
    andb $0x3f,%al
    addb $0x30,%al
    movw %di,%bx
    shrw $3,%bx
    xorb %bh,%bh
    andb $0x7f,%bl
    movb $0x09,%ah
    movw $1,%cx
    int $0x10
    movb $0x0e,%ah
    int $0x10
    decw %di
    jnz 1b
    jmp wait
noise:
    movw $0x0013,%ax
    int $0x10
    movw $0xa000,%ax
    movw %ax,%es
    xorw %di,%di
    movw $0x1234,%dx
1:  imulw $0x6255,%dx,%dx
    addw $0x3619,%dx
    movw %di,%ax
    movb %ah,%al
    cmpw $32000,%di
    jb 2f
    movb %dh,%al
2:  stosb
    cmpw $64000,%di
    jb 1b
    jmp wait
vbe:
    movw $0x4f02,%ax
    movw $0x0143,%bx
    int $0x10
    xorw %si,%si
    movw $0xa000,%ax
    movw %ax,%es
3:  movw $0x4f05,%ax
    xorw %bx,%bx
    movw %si,%dx
    int $0x10
    xorw %di,%di
4:  movw %di,%ax
    imulw $0x0101,%si,%cx
    addw %cx,%ax
    stosw
    shrw $5,%ax
    stosw
    orw %di,%di
    jnz 4b
    incw %si
    cmpw $30,%si
    jb 3b
    jmp wait
