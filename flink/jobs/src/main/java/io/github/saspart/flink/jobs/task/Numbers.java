package io.github.saspart.flink.jobs.task;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Writes numbers as the Go jobs do: like C's {@code %g}. */
final class Numbers {
    private static final int MOST = 17; // digits that tell every double from its neighbours

    private Numbers() {}

    /** The fewest digits that tell a finite number from all others. */
    static String shortest(double v) {
        BigDecimal d = new BigDecimal(Double.toString(v));
        // Double.toString writes a digit too many now and then.
        for (int n = Math.min(d.precision(), MOST) - 1; n > 0; n--) {
            BigDecimal fewer = d.round(new MathContext(n, RoundingMode.HALF_EVEN));
            if (fewer.doubleValue() != v) {
                break;
            }
            d = fewer;
        }
        return text(d, 6);
    }

    /** A finite number with at most that many digits. */
    static String rounded(double v, int digits) {
        BigDecimal d = new BigDecimal(v).round(new MathContext(digits, RoundingMode.HALF_EVEN)).stripTrailingZeros();
        int whole = d.precision() - d.scale(); // digits before the point
        return text(d, d.precision() < digits && d.precision() >= whole ? d.precision() : digits);
    }

    /** @param limit the exponent from which on numbers are written with one */
    private static String text(BigDecimal d, int limit) {
        if (d.signum() == 0) {
            return "0";
        }
        d = d.stripTrailingZeros();
        int exponent = d.precision() - d.scale() - 1;
        if (exponent >= -4 && exponent < limit) {
            return d.toPlainString();
        }
        String digits = d.unscaledValue().abs().toString();
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        return (d.signum() < 0 ? "-" : "") + digits.charAt(0) + fraction
                + (exponent < 0 ? "e-" : "e+") + (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
    }
}
