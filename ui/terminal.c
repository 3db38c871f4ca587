#include "ui/terminal.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "ui/key.h"
#include "ui/theme.h"

/* What brings the terminal back without any library's help. */
static struct {
    volatile sig_atomic_t active;
    struct termios modes;
    char reset[256];
    size_t reset_length;
    bool real;
    int saved_stderr, collected_stderr;
    FILE *null_in, *null_out;
    SCREEN *screen;
} terminal = {.saved_stderr = -1, .collected_stderr = -1};

/* ------------------------------------------------------------ the way back */

void terminal_restore(void)
{
    if (!terminal.active)
        return;
    terminal.active = 0;
    if (terminal.real) {
        ssize_t ignored = write(STDOUT_FILENO, terminal.reset, terminal.reset_length);
        (void)ignored;
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.modes);
    }
    if (terminal.saved_stderr >= 0)
        dup2(terminal.saved_stderr, STDERR_FILENO);
}

static void on_fatal_signal(int sig)
{
    static const char said[] = "quantwiz: ended by a signal; the terminal is as it was, and a run goes on\n";
    bool crash = sig == SIGSEGV || sig == SIGFPE || sig == SIGILL;
    terminal_restore();
    if (crash) {
        ssize_t ignored = write(STDERR_FILENO, said, sizeof said - 1);
        (void)ignored;
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static void catch_signals(void)
{
    static const int fatal[] = {SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    static char stack[64 << 10];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_handler = on_fatal_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(fatal); i++)
        sigaction(fatal[i], &sa, NULL);
    die_hook = terminal_restore;
}

static void add_reset(const char *capability)
{
    char *s = tigetstr((char *)capability);
    size_t n = s && s != (char *)-1 ? strlen(s) : 0;
    if (terminal.reset_length + n < sizeof terminal.reset) {
        memcpy(terminal.reset + terminal.reset_length, s ? s : "", n);
        terminal.reset_length += n;
    }
}

static void prepare_reset(bool mouse)
{
    static const char mouse_off[] = "\033[?1006l\033[?1002l\033[?1000l";
    terminal.reset_length = 0;
    if (mouse) {
        memcpy(terminal.reset, mouse_off, sizeof mouse_off - 1);
        terminal.reset_length = sizeof mouse_off - 1;
    }
    add_reset("sgr0");
    add_reset("cnorm");
    add_reset("rmkx");
    add_reset("rmcup");
}

/* ---------------------------------------------------------- standard error */

static void collect_stderr(void)
{
    terminal.collected_stderr = memfd_create("stderr", MFD_CLOEXEC);
    if (terminal.collected_stderr < 0)
        return;
    fflush(stderr);
    terminal.saved_stderr = dup(STDERR_FILENO);
    dup2(terminal.collected_stderr, STDERR_FILENO);
}

static void replay_stderr(void)
{
    char buffer[4096];
    ssize_t n;
    if (terminal.collected_stderr < 0)
        return;
    fflush(stderr);
    dup2(terminal.saved_stderr, STDERR_FILENO);
    lseek(terminal.collected_stderr, 0, SEEK_SET);
    while ((n = read(terminal.collected_stderr, buffer, sizeof buffer)) > 0)
        if (write(STDERR_FILENO, buffer, (size_t)n) < 0)
            break;
    close(terminal.saved_stderr);
    close(terminal.collected_stderr);
    terminal.saved_stderr = terminal.collected_stderr = -1;
}

/* ------------------------------------------------------------------ opening */

/* What terminals send whose TERM says something else: over SSH that is usual (PuTTY as xterm, tmux, the Linux console). */
static const struct { const char *sent; int key; } other_sequences[] = {
    {"\033[A", KEY_UP},     {"\033[B", KEY_DOWN},   {"\033[C", KEY_RIGHT},   {"\033[D", KEY_LEFT},
    {"\033OA", KEY_UP},     {"\033OB", KEY_DOWN},   {"\033OC", KEY_RIGHT},   {"\033OD", KEY_LEFT},
    {"\033[H", KEY_HOME},   {"\033OH", KEY_HOME},   {"\033[1~", KEY_HOME},   {"\033[7~", KEY_HOME},
    {"\033[F", KEY_END},    {"\033OF", KEY_END},    {"\033[4~", KEY_END},    {"\033[8~", KEY_END},
    {"\033[5~", KEY_PPAGE}, {"\033[6~", KEY_NPAGE}, {"\033[3~", KEY_DC},     {"\033[Z", KEY_BTAB},
    {"\033OP", KEY_F(1)},   {"\033OQ", KEY_F(2)},   {"\033[11~", KEY_F(1)},  {"\033[12~", KEY_F(2)},
    {"\033[[A", KEY_F(1)},  {"\033[[B", KEY_F(2)},  {"\033[15~", KEY_F(5)},  {"\033[18~", KEY_F(7)},
    {"\033[19~", KEY_F(8)}, {"\033[20~", KEY_F(9)}, {"\033[21~", KEY_F(10)},
};

static void know_other_sequences(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(other_sequences); i++)
        if (!key_defined(other_sequences[i].sent))
            define_key(other_sequences[i].sent, other_sequences[i].key);
}

static void start_curses(void)
{
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    know_other_sequences();
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    theme_start();
}

static bool can_move_cursor(void)
{
    char *cup = tigetstr("cup");
    return cup && cup != (char *)-1;
}

int terminal_open(bool mouse, struct error *e)
{
    const char *name = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(e, ERROR_USAGE,
                         "the wizard wants a terminal; without one, quantwiz --help lists the commands "
                         "that do the same");
    tcgetattr(STDIN_FILENO, &terminal.modes);
    terminal.screen = newterm(NULL, stdout, stdin);
    if (terminal.screen && !can_move_cursor()) {
        endwin();
        terminal.screen = NULL;
    }
    if (!terminal.screen)
        return error_set(e, ERROR_USAGE,
                         "the wizard cannot draw on the terminal type '%s': try TERM=xterm-256color, or "
                         "the commands that quantwiz --help lists",
                         name ? name : "");
    terminal.real = true;
    start_curses();
    mouse = mouse && mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
    mouseinterval(0);
    prepare_reset(mouse);
    collect_stderr();
    terminal.active = 1;
    catch_signals();
    return 0;
}

int terminal_open_nowhere(int rows, int cols, struct error *e)
{
    const char *name = getenv("TERM");
    char number[16];
    snprintf(number, sizeof number, "%d", rows);
    setenv("LINES", number, 1);
    snprintf(number, sizeof number, "%d", cols);
    setenv("COLUMNS", number, 1);
    terminal.null_in = fopen("/dev/null", "r");
    terminal.null_out = fopen("/dev/null", "w");
    terminal.screen = terminal.null_in && terminal.null_out ? newterm(name && *name ? name : "xterm-256color",
                                                                      terminal.null_out, terminal.null_in)
                                                            : NULL;
    if (!terminal.screen)
        return error_set(e, ERROR_USAGE, "cannot draw for the terminal type '%s'",
                         name ? name : "xterm-256color");
    terminal.real = false;
    start_curses();
    return 0;
}

/* Where there is no second screen, the shell's next prompt stands on the last line. */
static void leave_screen(void)
{
    move(LINES - 1, 0);
    clrtoeol();
    refresh();
    endwin();
}

void terminal_close(void)
{
    if (!terminal.screen)
        return;
    leave_screen();
    terminal.active = 0;
    die_hook = NULL;
    delscreen(terminal.screen);
    terminal.screen = NULL;
    if (terminal.real)
        replay_stderr();
    else {
        fclose(terminal.null_in);
        fclose(terminal.null_out);
    }
}

void terminal_suspend(void)
{
    if (!terminal.real)
        return;
    struct sigaction stop = {.sa_handler = SIG_DFL}, before;
    leave_screen();
    sigaction(SIGTSTP, &stop, &before);
    kill(0, SIGTSTP); /* a script around it stops, too; and where no shell could ever continue it, nothing does */
    sigaction(SIGTSTP, &before, NULL);
    refresh();
}

/* ------------------------------------------------------------------- events */

static const struct { int curses, key;
} translation[] = {
    {KEY_UP, K_UP},     {KEY_DOWN, K_DOWN},    {KEY_LEFT, K_LEFT},           {KEY_RIGHT, K_RIGHT},
    {KEY_HOME, K_HOME}, {KEY_END, K_END},      {KEY_PPAGE, K_PAGE_UP},       {KEY_NPAGE, K_PAGE_DOWN},
    {KEY_DC, K_DELETE}, {KEY_BTAB, K_BACKTAB}, {KEY_BACKSPACE, K_BACKSPACE}, {KEY_ENTER, K_ENTER},
    {KEY_FIND, K_HOME}, {KEY_SELECT, K_END},   /* what a VT220 calls them */
};

static int translate_special(int code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(translation); i++)
        if (translation[i].curses == code)
            return translation[i].key;
    return code > KEY_F0 && code <= KEY_F0 + 12 ? K_F(code - KEY_F0) : K_NONE;
}

static int translate_character(wint_t c)
{
    return c == '\n' ? K_ENTER : c == 8 ? K_BACKSPACE : (int)c;
}

static void take_mouse(struct ui_event *out)
{
    MEVENT m;
    if (getmouse(&m) != OK)
        return;
    if (m.bstate & (BUTTON4_PRESSED | BUTTON5_PRESSED))
        *out = (struct ui_event){UI_WHEEL, m.bstate & BUTTON4_PRESSED ? K_UP : K_DOWN, m.y, m.x};
    else if (m.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED))
        *out = (struct ui_event){UI_CLICK, K_NONE, m.y, m.x};
}

/* The rest of a key's sequence that nobody knows: its characters are no keys of their own, nor is its first one Esc.
 * False: a person pressed Esc. */
static bool skip_sequence(void)
{
    wint_t c;
    if (get_wch(&c) != OK)
        return false;
    if (c != '[' && c != 'O') {
        unget_wch((wchar_t)c);
        return false;
    }
    while (get_wch(&c) == OK && (c < '@' || c > '~'))
        ;
    return true;
}

/* True when curses had something; a key we do not know counts as nothing. */
static bool take_input(struct ui_event *out)
{
    wint_t c;
    int kind = get_wch(&c);
    if (kind == ERR)
        return false;
    *out = (struct ui_event){.kind = UI_TICK};
    if (kind == KEY_CODE_YES && c == KEY_RESIZE)
        out->kind = UI_RESIZE;
    else if (kind == KEY_CODE_YES && c == KEY_MOUSE)
        take_mouse(out);
    else if (kind != OK || c != K_ESC || !skip_sequence()) {
        out->kind = UI_KEY;
        out->key = kind == KEY_CODE_YES ? translate_special((int)c) : translate_character(c);
    }
    return true;
}

void terminal_next(int wake_fd, int timeout_ms, struct ui_event *out)
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    if (take_input(out))
        return;
    int ready = poll(p, 2, timeout_ms);
    *out = (struct ui_event){.kind = UI_TICK};
    if (ready > 0 && (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)))
        out->kind = UI_END;
    else if (ready > 0 && p[1].revents)
        out->kind = UI_WAKE;
    else
        take_input(out);
}
