//! The console on a screen as well, for people who have no serial port at hand.
//!
//! A BIOS leaves VGA's text mode; UEFI leaves a framebuffer, which GRUB describes. Without
//! either nothing is drawn. The screen is scrolled by half, since one drawn anew for each
//! line would take longer than the line.

use core::cell::UnsafeCell;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_8X13;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};

use super::port::write8;
use crate::boot;
use crate::boot::info::{BootInfo, Framebuffer};

/// VGA's text: 80 times 25 cells of a character and its colours.
const VGA_TEXT: usize = 0xb8000;
const VGA_COLUMNS: usize = 80;
const VGA_ROWS: usize = 25;
/// Light grey on black.
const VGA_COLORS: u16 = 0x0700;

/// Pixels of a character.
const GLYPH_WIDTH: usize = 8;
const GLYPH_HEIGHT: usize = 13;
/// The characters that can be drawn: printable ASCII.
const FIRST: u8 = b' ';
const GLYPHS: usize = 95;
/// The most cells that a screen has; a larger one keeps a margin.
const MOST_COLUMNS: usize = 160;
const MOST_ROWS: usize = 64;
/// Light grey, whatever the order of the colours.
const INK: u32 = 0x00aa_aaaa;

type Glyph = [u8; GLYPH_HEIGHT];

/// What is shown, and where.
struct Screen {
    canvas: Canvas,
    columns: usize,
    rows: usize,
    /// Where the next character goes.
    column: usize,
    row: usize,
    cells: [[u8; MOST_COLUMNS]; MOST_ROWS],
}

#[derive(Clone, Copy)]
enum Canvas {
    /// Nobody has looked for a screen yet: what is printed is kept for it.
    Unknown,
    /// There is none.
    None,
    Text,
    Pixels {
        address: usize,
        pitch: usize,
        bytes: usize,
    },
}

struct Only<T>(UnsafeCell<T>);

// SAFETY: one processor, and no interrupt handler prints.
unsafe impl<T> Sync for Only<T> {}

static SCREEN: Only<Screen> = Only(UnsafeCell::new(Screen {
    canvas: Canvas::Unknown,
    columns: VGA_COLUMNS,
    rows: VGA_ROWS,
    column: 0,
    row: 0,
    cells: [[b' '; MOST_COLUMNS]; MOST_ROWS],
}));
static FONT: Only<[Glyph; GLYPHS]> = Only(UnsafeCell::new([[0; GLYPH_HEIGHT]; GLYPHS]));

/// Takes the framebuffer that the loader describes.
pub fn init(info: &BootInfo) {
    if let Some(framebuffer) = info.framebuffer {
        // SAFETY: nobody else holds the screen.
        unsafe { (*SCREEN.0.get()).take_framebuffer(&framebuffer) }
    }
}

/// Takes VGA's text memory, if there is such a card and no framebuffer.
pub fn settle(has_display: bool) {
    // SAFETY: nobody else holds the screen.
    let screen = unsafe { &mut *SCREEN.0.get() };
    match screen.canvas {
        Canvas::Unknown if has_display => screen.take_text(),
        Canvas::Unknown => screen.canvas = Canvas::None,
        Canvas::None | Canvas::Text | Canvas::Pixels { .. } => {}
    }
}

/// Whether [`settle`] was called, or need not be.
pub fn is_settled() -> bool {
    // SAFETY: nobody else holds the screen.
    !matches!(unsafe { &*SCREEN.0.get() }.canvas, Canvas::Unknown)
}

/// Shows text at the end of what is there.
pub fn write(text: &str) {
    // SAFETY: nobody else holds the screen: no drawing prints.
    let screen = unsafe { &mut *SCREEN.0.get() };
    if !matches!(screen.canvas, Canvas::None) {
        text.bytes().for_each(|byte| screen.put(byte));
    }
}

impl Screen {
    fn take_text(&mut self) {
        const CRT_INDEX: u16 = 0x3d4;
        const CRT_DATA: u16 = 0x3d5;
        const CURSOR_START: u8 = 0x0a;
        const CURSOR_OFF: u8 = 0x20;
        write8(CRT_INDEX, CURSOR_START);
        write8(CRT_DATA, CURSOR_OFF);
        self.canvas = Canvas::Text;
        (self.columns, self.rows) = (VGA_COLUMNS, VGA_ROWS);
        self.draw_all();
    }

    fn take_framebuffer(&mut self, framebuffer: &Framebuffer) {
        let bytes = usize::from(framebuffer.bits) / 8;
        let (width, height) = (framebuffer.width as usize, framebuffer.height as usize);
        let pitch = framebuffer.pitch as usize;
        if framebuffer.is_text() || !(3..=4).contains(&bytes) || pitch < width * bytes {
            return;
        }
        let Some(address) = boot::map_device(framebuffer.address, pitch * height) else {
            return;
        };
        // SAFETY: nobody else holds the font.
        unsafe { draw_font(&mut *FONT.0.get()) };
        self.canvas = Canvas::Pixels {
            address,
            pitch,
            bytes,
        };
        self.columns = (width / GLYPH_WIDTH).min(MOST_COLUMNS);
        self.rows = (height / GLYPH_HEIGHT).min(MOST_ROWS);
        // SAFETY: the framebuffer, which the loader describes and nobody else draws into.
        unsafe { (address as *mut u8).write_bytes(0, pitch * height) };
        self.draw_all();
    }

    fn put(&mut self, byte: u8) {
        if byte == b'\n' {
            return self.next_row();
        }
        let printable = (FIRST..FIRST + GLYPHS as u8).contains(&byte);
        // One mark for each character that is not ASCII: its first byte's.
        if byte & 0xc0 == 0x80 {
            return;
        }
        if self.column == self.columns {
            self.next_row();
        }
        let shown = if printable { byte } else { b'?' };
        self.set(self.row, self.column, shown);
        self.column += 1;
    }

    fn next_row(&mut self) {
        self.column = 0;
        self.row += 1;
        if self.row < self.rows {
            return;
        }
        let gone = self.rows / 2;
        for row in 0..self.rows {
            let from = (row + gone < self.rows).then(|| self.cells[row + gone]);
            let line = from.unwrap_or([b' '; MOST_COLUMNS]);
            for (column, shown) in line.into_iter().enumerate().take(self.columns) {
                if self.cells[row][column] != shown {
                    self.set(row, column, shown);
                }
            }
        }
        self.row -= gone;
    }

    fn set(&mut self, row: usize, column: usize, shown: u8) {
        self.cells[row][column] = shown;
        self.draw(row, column);
    }

    fn draw_all(&self) {
        for row in 0..self.rows {
            (0..self.columns).for_each(|column| self.draw(row, column));
        }
    }

    fn draw(&self, row: usize, column: usize) {
        let shown = self.cells[row][column];
        match self.canvas {
            Canvas::Unknown | Canvas::None => {}
            Canvas::Text => {
                let cell = (VGA_TEXT as *mut u16).wrapping_add(row * VGA_COLUMNS + column);
                // SAFETY: VGA's text memory, of which row and column are inside.
                unsafe { cell.write_volatile(VGA_COLORS | u16::from(shown)) }
            }
            Canvas::Pixels {
                address,
                pitch,
                bytes,
            } => {
                // SAFETY: nobody else holds the font.
                let font = unsafe { &*FONT.0.get() };
                let glyph = &font[usize::from(shown - FIRST)];
                let corner = address + row * GLYPH_HEIGHT * pitch + column * GLYPH_WIDTH * bytes;
                for (line, bits) in glyph.iter().enumerate() {
                    for x in 0..GLYPH_WIDTH {
                        let color = if bits & (0x80 >> x) != 0 { INK } else { 0 };
                        pixel(corner + line * pitch + x * bytes, bytes, color);
                    }
                }
            }
        }
    }
}

fn pixel(at: usize, bytes: usize, color: u32) {
    // SAFETY: inside the framebuffer, which has a cell for each row and column.
    unsafe {
        if bytes == 4 {
            (at as *mut u32).write_unaligned(color);
        } else {
            (at as *mut [u8; 3]).write_volatile([
                color as u8,
                (color >> 8) as u8,
                (color >> 16) as u8,
            ]);
        }
    }
}

/// Draws each character once, into bits.
fn draw_font(font: &mut [Glyph; GLYPHS]) {
    let style = MonoTextStyle::new(&FONT_8X13, BinaryColor::On);
    for (glyph, byte) in font.iter_mut().zip(FIRST..) {
        let mut buffer = [0; 4];
        let text = char::from(byte).encode_utf8(&mut buffer);
        let drawn =
            Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut Pen(glyph));
        let Ok(_) = drawn;
    }
}

/// A target of one character's size.
struct Pen<'a>(&'a mut Glyph);

impl OriginDimensions for Pen<'_> {
    fn size(&self) -> Size {
        Size::new(GLYPH_WIDTH as u32, GLYPH_HEIGHT as u32)
    }
}

impl DrawTarget for Pen<'_> {
    type Color = BinaryColor;
    type Error = core::convert::Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) else {
                continue;
            };
            if let (true, true, Some(row)) = (color.is_on(), x < GLYPH_WIDTH, self.0.get_mut(y)) {
                *row |= 0x80 >> x;
            }
        }
        Ok(())
    }
}
