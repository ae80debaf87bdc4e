# Draws the upper half of the console; input: one line "ROWS COLUMNS"; variables: full=1 (clear first), boots.
# Palette: 0 background, 4 bar, 6 accent (all from the name, so that two desktops side by side differ), 7 text.

function at(row, column, text) { return sprintf("\033[%d;%dH%s", row, column, text) }
function line(file,  text) { text = ""; getline text < file; close(file); return text }
function field(row, column, label, value) { return at(row, column, sprintf("\033[36m%-10s\033[97m%s\033[0m", label, value)) }

# 5x7 letters, a row per character: 0-9a-v are the numbers 0..31, the highest bit is the left dot.
function glyphs(  list, count, i) {
  split("16 8 4 2 1", bit, " ") # busybox awk is built without powers
  count = split("0:ehjlphe 1:4c4444e 2:eh1248v 3:v24216e 4:26aiv22 5:vgu11he 6:68guhhe 7:v124888 8:ehhehhe 9:ehhf12c " \
    "A:ehhvhhh B:uhhuhhu C:ehgggge D:sihhhis E:vgguggv F:vgguggg G:ehgnhhf H:hhhvhhh I:e44444e J:72222ic K:hikokih " \
    "L:ggggggv M:hrllhhh N:hpljhhh O:ehhhhhe P:uhhuggg Q:ehhhlid R:uhhukih S:fgge11u T:v444444 U:hhhhhhe V:hhhhha4 " \
    "W:hhhlllA X:hha4ahh Y:hhha444 Z:v1248gv -:000v000 .:00000cc _:000000v", list, " ")
  for (i = 1; i <= count; i++) glyph[substr(list[i], 1, 1)] = tolower(substr(list[i], 3))
}
function dots(letter, row) { return index("0123456789abcdefghijklmnopqrstuv", substr(glyph[letter], row, 1)) - 1 }
function dot(letter, row, column) { return row > 7 ? 0 : int(dots(letter, row) / bit[column]) % 2 }

# Two rows of dots per line of text by half blocks; `wide` repeats each dot sideways.
function banner(name, row, columns,  wide, letters, pair, i, c, upper, lower, text, out, k) {
  letters = length(name)
  wide = letters * 12 <= columns - 4 ? 2 : 1
  if (letters * 6 * wide > columns - 4) letters = int((columns - 4) / 6 / wide)
  for (pair = 0; pair < 4; pair++) {
    text = ""
    for (i = 1; i <= letters; i++)
      for (c = 1; c <= 6; c++) {
        upper = c < 6 && dot(substr(name, i, 1), pair * 2 + 1, c)
        lower = c < 6 && dot(substr(name, i, 1), pair * 2 + 2, c)
        for (k = 0; k < wide; k++) text = text (upper ? (lower ? "█" : "▀") : (lower ? "▄" : " "))
      }
    out = out at(row + pair, 3, "\033[97m" text "\033[0m\033[K")
  }
  return out
}

{
  rows = $1; columns = $2
  name = line("/proc/sys/kernel/hostname")
  address = line("/run/address.eth0")
  mac = line("/sys/class/net/eth0/address")
  while ((getline mount < "/proc/mounts") > 0)
    if (split(mount, part, " ") && part[2] ~ "^/media/") media = media (media ? ", " : "") part[2]
  while ((getline text < "/proc/meminfo") > 0)
    if (split(text, part, " ") && part[1] == "MemTotal:") memory = int(part[2] / 1024)
  glyphs()

  split("0b2942 15507d 7cc4f0,0c2e2e 17605c 74d6c4,2a1f47 54398c c0a8f0,3a1526 7a2a4c f0a0bc,16301d 2f6b3c 98d8a0," \
    "33240c 7a5215 f0c878,1c2447 38489a a4b4f8,0d2f22 1a6a4a 80d8ac,3d1717 842c2c f4a8a0,24244a 4a4aa0 b4b4f8," \
    "0e2f38 1c6478 84d0e4,2b2f14 5e6a20 ccd88c", theme, ",")
  for (i = 1; i <= length(name); i++)
    hash = (hash * 31 + index("abcdefghijklmnopqrstuvwxyz0123456789-.", tolower(substr(name, i, 1)))) % 9973
  split(theme[hash % 12 + 1], colour, " ")

  out = "\0337\033[?25l\033]P0" colour[1] "\033]P4" colour[2] "\033]P6" colour[3] "\033]P7d5dde5\033]PFffffff"
  if (full) out = out "\033[0m\033[2J\033[13;" rows "r"
  out = out at(1, 1, "\033[44;97m HDCS  \033[37m" sprintf("%-" (columns - 33) "s", name) (full ? "\033[K" : "") "\033[0m") # the clock stands behind
  out = out banner(toupper(name), 3, columns)
  out = out field(8, 4, "Address", sprintf("%-28s", address ? address : "waiting for the network"))
  out = out field(8, 44, "Hardware", sprintf("%-20s", mac ? mac : "no network card"))
  out = out field(9, 4, "Disk", sprintf("%-28s", "/data, boot " boots))
  out = out field(9, 44, "Memory", sprintf("%-20s", memory " MiB"))
  if (full) out = out field(10, 4, "Pointer", "not moved yet")
  out = out field(10, 44, "Media", sprintf("%-20s", media ? media : "none"))
  text = "\033[36m"
  for (i = 1; i <= columns; i++) text = text "─"
  out = out at(12, 1, text "\033[0m")
  if (full) out = out "\033[13;1H\0337"
  printf "%s\0338\033[?25h", out
}
