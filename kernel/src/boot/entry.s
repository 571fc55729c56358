# Entry by PVH or Multiboot2, in 32-bit protected mode without paging, to long mode.
# Both protocols leave EBX pointing at their information; EDI tells which it was.

.section .multiboot, "a"
.balign 8
multiboot_header:
    .long 0xe85250d6
    .long 0                              # i386, protected mode
    .long multiboot_header_end - multiboot_header
    .long -(0xe85250d6 + (multiboot_header_end - multiboot_header))
    .balign 8
    .short 3, 0                          # entry address: Multiboot2 enters elsewhere than PVH
    .long 12
    .long multiboot_entry
    .balign 8
    .short 6, 1                          # modules on page boundaries, if the loader can
    .long 8
    .balign 8
    .short 5, 1                          # a framebuffer of any size with 32 bits, if there is one
    .long 20
    .long 0, 0, 32
    .balign 8
    .short 0, 0
    .long 8
multiboot_header_end:

.section .note.pvh, "a", @note
.balign 4
    .long 4, 4, 18                       # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

.section .boot, "ax"
.code32
.global pvh_entry
pvh_entry:
    cli
    cld
    mov edi, 1
    jmp enter
.global multiboot_entry
multiboot_entry:
    cli
    cld
    mov edi, 2
enter:
    mov ebp, edi
    # The BSS and the ring-0 tables start out as zero.
    mov edi, offset __bss_start
    mov ecx, offset __ring0_end
    sub ecx, edi
    shr ecx, 2
    xor eax, eax
    rep stosd
    mov esp, offset boot_stack_top

    # The first 4 GiB, identity, in pages of 2 MiB: enough to build the real tables.
    mov edi, offset boot_pd
    mov eax, 0x83                        # present, writable, large
    mov ecx, 2048
1:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 1b
    mov edi, offset boot_pdpt
    mov eax, offset boot_pd + 3
    mov ecx, 4
2:  mov [edi], eax
    add eax, 0x1000
    add edi, 8
    dec ecx
    jnz 2b
    mov eax, offset boot_pdpt + 3
    mov [boot_pml4], eax

    mov eax, cr4
    or eax, 0x620                        # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080                  # EFER: LME, NXE
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, cr0
    and eax, 0xfffffff3                  # no EM, no TS
    or eax, 0x80010022                   # PG, WP, NE, MP
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    push 0x08
    mov eax, offset long_mode
    push eax
    retf
.code64
long_mode:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov rsp, offset boot_stack_top
    mov edi, ebp                         # which protocol
    mov esi, ebx                         # its information
    call {prepare}                       # rax: what the last step needs
    mov rbx, rax

    # The last of ring 0: real tables, then down to ring 3 for good.
    mov rax, [rbx + 0]                   # page tables
    mov rdx, [rbx + 8]                   # CR4 bits that this processor has: SMEP, SMAP, UMIP
    push 0x1b                            # SS
    push qword ptr [rbx + 16]            # RSP
    push 2                               # RFLAGS: interrupts off, no I/O privilege
    push 0x23                            # CS
    push qword ptr [rbx + 24]            # RIP
    mov cr3, rax
    mov rcx, cr4
    or rcx, rdx
    mov cr4, rcx
    mov eax, 0x1b
    mov ds, ax
    mov es, ax
    xor ebp, ebp
    iretq

.balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000             # ring-0 code, 64 bits
boot_gdt_pointer:
    .short 15
    .long boot_gdt

# Interrupts: acknowledge at the local APIC (by its supervisor alias) and raise a flag.
.macro interrupt vector
.balign 16
interrupt_\vector:
    push rax
    mov rax, [rip + shared_alias]
    mov byte ptr [rax + \vector], 1
    mov rax, [rip + apic_alias]
    mov dword ptr [rax + 0xb0], 0
    pop rax
    iretq
.endm
.irp v, 32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63
    interrupt \v
.endr

# Sleep: `int 0x80` from ring 3 with interrupts off. STI takes effect after HLT has begun,
# so no interrupt that comes in between is slept over.
.balign 16
.global gate_sleep
gate_sleep:
    sti
    hlt
    cli
    iretq
# Map: `int 0x81` with RDI a device's address from 4 GiB on, 2 MiB aligned, and RSI a slot of the window.
# All our memory lies below 4 GiB, so nothing of ours can be remapped this way.
.balign 16
.global gate_map
gate_map:
    push rdi
    push rsi
    mov eax, 1
    cmp rsi, 512
    jae 1f
    test rdi, 0x1fffff
    jnz 1f
    shr rdi, 32
    jz 1f
    mov rdi, [rsp + 8]
    or rdi, 0x9f                         # present, writable, ring 3, uncached, large
    bts rdi, 63                          # not executable
    shl rsi, 3
    add rsi, [rip + window_directory]
    mov [rsi], rdi
    mov rsi, cr3
    mov cr3, rsi
    xor eax, eax
1:  pop rsi
    pop rdi
    iretq
.balign 16
.global gate_spurious
gate_spurious:
    iretq

# Faults: note the registers in the shared page, then let ring 3 report on a stack of its own.
.macro fault vector, code
.balign 16
fault_\vector:
    .if \code == 0
    push 0
    .endif
    push \vector
    jmp fault_common
.endm
.irp v, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31
    fault \v, 0
.endr
.irp v, 8,10,11,12,13,14,17,21,29,30
    fault \v, 1
.endr

fault_common:
    push rdi
    mov rdi, [rip + shared_alias]
    add rdi, 512
    cmp qword ptr [rdi + 176], 0         # a fault while one is reported: nothing left to say
    jne reset
    mov qword ptr [rdi + 176], 1
    mov [rdi + 0], rax
    mov [rdi + 8], rbx
    mov [rdi + 16], rcx
    mov [rdi + 24], rdx
    mov [rdi + 32], rsi
    pop rax
    mov [rdi + 40], rax                  # rdi
    mov [rdi + 48], rbp
    mov [rdi + 56], r8
    mov [rdi + 64], r9
    mov [rdi + 72], r10
    mov [rdi + 80], r11
    mov [rdi + 88], r12
    mov [rdi + 96], r13
    mov [rdi + 104], r14
    mov [rdi + 112], r15
    pop rax
    mov [rdi + 120], rax                 # vector
    pop rax
    mov [rdi + 128], rax                 # error code
    pop rax
    mov [rdi + 136], rax                 # rip
    pop rax
    mov [rdi + 144], rax                 # cs
    pop rax
    mov [rdi + 152], rax                 # rflags
    pop rax
    mov [rdi + 160], rax                 # rsp
    pop rax
    mov rax, cr2
    mov [rdi + 168], rax
    push 0x1b
    push qword ptr [rip + fault_stack]
    push 2
    push 0x23
    push qword ptr [rip + fault_entry]
    xor ebp, ebp
    cld
    iretq

# The machine's last resort: no descriptor table, then a breakpoint, which the processor cannot deliver.
.balign 16
.global reset
reset:
    lidt [rip + empty_idt]
    int3
1:  hlt
    jmp 1b
empty_idt:
    .short 0
    .quad 0

.balign 8
.global shared_alias, apic_alias, fault_stack, fault_entry
shared_alias: .quad {shared_alias}
apic_alias: .quad {apic_alias}
.global window_directory
window_directory: .quad 0
fault_stack: .quad __fault_stack_top
fault_entry: .quad {report}

.global fault_handlers, interrupt_handlers
fault_handlers:
    .quad fault_0
    .quad fault_1
    .quad fault_2
    .quad fault_3
    .quad fault_4
    .quad fault_5
    .quad fault_6
    .quad fault_7
    .quad fault_8
    .quad fault_9
    .quad fault_10
    .quad fault_11
    .quad fault_12
    .quad fault_13
    .quad fault_14
    .quad fault_15
    .quad fault_16
    .quad fault_17
    .quad fault_18
    .quad fault_19
    .quad fault_20
    .quad fault_21
    .quad fault_22
    .quad fault_23
    .quad fault_24
    .quad fault_25
    .quad fault_26
    .quad fault_27
    .quad fault_28
    .quad fault_29
    .quad fault_30
    .quad fault_31
interrupt_handlers:
    .quad interrupt_32
    .quad interrupt_33
    .quad interrupt_34
    .quad interrupt_35
    .quad interrupt_36
    .quad interrupt_37
    .quad interrupt_38
    .quad interrupt_39
    .quad interrupt_40
    .quad interrupt_41
    .quad interrupt_42
    .quad interrupt_43
    .quad interrupt_44
    .quad interrupt_45
    .quad interrupt_46
    .quad interrupt_47
    .quad interrupt_48
    .quad interrupt_49
    .quad interrupt_50
    .quad interrupt_51
    .quad interrupt_52
    .quad interrupt_53
    .quad interrupt_54
    .quad interrupt_55
    .quad interrupt_56
    .quad interrupt_57
    .quad interrupt_58
    .quad interrupt_59
    .quad interrupt_60
    .quad interrupt_61
    .quad interrupt_62
    .quad interrupt_63

# What only ring 0 needs to write.
.section .ring0, "aw", @nobits
.balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 16384
boot_stack_bottom: .skip 16384
.global boot_stack_top
boot_stack_top:
