/* Text that grows: the reports that Python reads are JSON. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void say(Text *text, const char *format, ...) {
    va_list arguments;
    for (;;) {
        size_t left = text->room - text->length;
        va_start(arguments, format);
        size_t needs = (size_t)vsnprintf(text->chars ? text->chars + text->length : NULL, left, format, arguments);
        va_end(arguments);
        if (needs < left) {
            text->length += needs;
            return;
        }
        text->room = 2 * (text->length + needs + 1);
        text->chars = realloc(text->chars, text->room);
    }
}

void say_string(Text *text, const char *string) {
    say(text, "\"");
    for (; *string; string++) {
        if (*string == '"' || *string == '\\') say(text, "\\%c", *string);
        else if ((unsigned char)*string < ' ') say(text, " ");
        else say(text, "%c", *string);
    }
    say(text, "\"");
}
